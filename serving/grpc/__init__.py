"""The service over gRPC, on a port of its own: the packages are those of requirements-grpc.txt."""

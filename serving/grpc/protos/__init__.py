"""The messages of the calls: .proto files, and the modules that make protos generates of them."""

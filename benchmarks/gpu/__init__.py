"""Model on a CUDA GPU, against transformers' pipeline and a bare loop: python -m benchmarks.gpu."""

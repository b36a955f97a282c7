"""The benchmarks of the adapters; `__main__.py` says what they are and how to run them."""

"""The curvature benchmark; `__main__.py` says what it is and how to run it."""

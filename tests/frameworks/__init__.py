"""Real frameworks from PyPI, each asked for the same things."""

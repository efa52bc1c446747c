"""The demands, one module per section or part of one; ``catalogue.py`` collects them."""

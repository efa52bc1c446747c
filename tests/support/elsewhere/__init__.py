"""Another system, as far as Python code can tell: see ``sitecustomize.py``."""

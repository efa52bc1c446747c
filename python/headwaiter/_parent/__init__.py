"""The parent of several server processes; ``start.py`` is the entry."""

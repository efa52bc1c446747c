"""Requests that two parsers accept must mean the same to both.

``h11`` (from PyPI) is the second opinion: written for strictness, widely used, and nobody's sibling
here. ``heads.py`` makes the requests and holds what the application saw against h11's reading.
"""

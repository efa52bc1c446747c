"""The WSGI boundary (PEP 3333) as an application sees it and as it shows on the wire."""

"""``headwaiter top``: a running server, shown in a terminal."""

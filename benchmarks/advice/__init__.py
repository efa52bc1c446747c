"""Does the server's advice hold? Applications of known bottleneck, and what following the advice gave."""

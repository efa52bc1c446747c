"""Does the server's advice hold? Applications of known bottleneck, and what to follow it gave."""

"""Several processes behind one port: how they start, share, change and end."""

"""What the process around a server needs: signals, logging, forks, its end, its service manager."""

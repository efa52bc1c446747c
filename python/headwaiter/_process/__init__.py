"""The process around a server: signals, logging, forks, its end, and its service manager."""

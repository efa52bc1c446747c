"""The server as a process: signals, threads, sockets, memory, and clients that misbehave."""

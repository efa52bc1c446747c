"""Black-box tests: real interpreter processes, real sockets, real frameworks.

``support`` holds the harness; every other folder is one subject. Nothing here looks inside the
server: what a test asserts is what a client or an application can see.
"""

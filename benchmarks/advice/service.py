"""A service that takes its time: `python -m benchmarks.advice.service WIDTH`.

It answers each connection after 20 ms, WIDTH of them at a time. It prints its port, and ends with
its standard input.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time

SECONDS = 0.02


def serve(listener: socket.socket) -> None:
    while True:
        client, _ = listener.accept()
        with client, contextlib.suppress(OSError):
            client.recv(1)
            time.sleep(SECONDS)
            client.sendall(b"!")


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    for _ in range(int(sys.argv[1])):
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()

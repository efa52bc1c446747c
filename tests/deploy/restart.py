"""``python -m tests.deploy.restart SOCKET NAME``: asks a test's manager to restart a server."""

from __future__ import annotations

import sys
from multiprocessing.connection import Client

if __name__ == "__main__":
    with Client(sys.argv[1]) as manager:
        manager.send(sys.argv[2])
        sys.exit(0 if manager.recv() else 1)

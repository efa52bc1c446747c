"""Clients that keep a server busy until it goes."""

from __future__ import annotations

import contextlib
import threading

from tests.support.http import Client, render
from tests.support.process import ServerProcess


def make_crowd(
    server: ServerProcess, clients: int
) -> tuple[list[threading.Thread], threading.Semaphore]:
    """Threads, not started yet, each a client with five requests under way at any time, and what
    they release for every reply."""
    served = threading.Semaphore(0)

    def keep_asking() -> None:
        with contextlib.suppress(OSError, AssertionError), Client(server.address, 60) as client:
            while True:
                client.send(render("/") * 5)
                for _ in range(5):
                    client.reply()
                    served.release()

    return [threading.Thread(target=keep_asking) for _ in range(clients)], served

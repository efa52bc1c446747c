"""Clients that keep on asking and check every byte, until they are told to stop."""

from __future__ import annotations

import hashlib
import threading
import traceback
from typing import Callable

from tests.support.http import Address, Client, render

from .app import BLOCK, BLOCKS

UPLOAD = bytes(range(256)) * 2000
PIECES = 8
TIMEOUT = 30.0


def short(client: Client) -> None:
    reply = client.ask("/")
    assert reply.status == 200, reply


def slow(client: Client) -> None:
    reply = client.ask("/slow")
    assert (reply.status, reply.body) == (200, b"slow"), reply


def upload(client: Client) -> None:
    """Sent in pieces, so that many a server is stopped while it reads one."""
    request = render("/upload", "POST", body=UPLOAD)
    size = len(request) // PIECES + 1
    for start in range(0, len(request), size):
        client.send(request[start : start + size])
        threading.Event().wait(0.005)
    reply = client.reply("POST")
    assert reply.body == hashlib.sha256(UPLOAD).hexdigest().encode(), reply


def download(client: Client) -> None:
    assert client.ask("/download").body == BLOCK * BLOCKS


def stream(client: Client) -> None:
    assert client.ask("/stream").body == BLOCK * BLOCKS


KINDS: tuple[Callable[[Client], None], ...] = (short, slow, upload, download, stream)


class Load:
    """One keep-alive connection per kind and ``connections``. Any failure ends its client."""

    def __init__(self, address: Address, connections: int = 2) -> None:
        self.address = address
        self.served = dict.fromkeys((kind.__name__ for kind in KINDS), 0)
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(kind,))
            for kind in KINDS
            for _ in range(connections)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, kind: Callable[[Client], None]) -> None:
        try:
            with Client(self.address, TIMEOUT) as client:
                while not self._stop.is_set():
                    kind(client)
                    with self._lock:
                        self.served[kind.__name__] += 1
        except (OSError, AssertionError):
            self.failures.append(f"{kind.__name__}: {traceback.format_exc()}")

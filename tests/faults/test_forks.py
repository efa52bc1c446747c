"""Applications that fork: every child comes up, and none speaks to its parent's clients.

``HEADWAITER_TEST_FORKS`` says how many children of each kind (the suite: 60; before a release:
10,000).
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.support import procfs
from tests.support.http import Client
from tests.support.process import ServerProcess, start_server
from tests.support.target import headwaiter_only

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    headwaiter_only("both processes answer, and the child stays"),
]
FORKS = int(os.environ.get("HEADWAITER_TEST_FORKS", "60"))
READERS = 8


@pytest.mark.parametrize(
    ("way", "status"), [("exit", 5), ("raise", 1), ("return", 1), ("write", 1), ("iterate", 1)]
)
def test_a_child_that_comes_back_serves_nothing(way: str, status: int) -> None:
    with start_server("tests.faults.apps:forgetful", threads=2) as server:
        with server.connect() as client:
            reply = client.ask(f"/{way}")  # the parent waits for the child: it has ended
            assert reply.body == str(status).encode(), server.log
            client.expect_open()  # and nothing of the child's is on the connection
        assert server.ask().status == 200
    if status == 1:
        assert "came back to the server" in server.log
    assert "Fatal" not in server.log


@pytest.mark.slow
@pytest.mark.skipif(not procfs.AVAILABLE, reason="needs /proc")
@pytest.mark.parametrize("way", ["fork", "multiprocessing", "preexec"])
def test_every_child_comes_up_beside_fast_readers(way: str) -> None:
    """The I/O thread drops pieces of replies all the time; a child must not wait for it."""
    with (
        start_server("tests.faults.apps:forking", threads=READERS + 1) as server,
        fast_readers(server, READERS),
        server.connect(timeout=60 + FORKS) as client,
    ):
        reply = client.ask(f"/fork?way={way}&times={FORKS}")
        assert reply.body == str(FORKS).encode(), server.log


@contextlib.contextmanager
def fast_readers(server: ServerProcess, count: int) -> Iterator[None]:
    """Clients that download ``/stream`` without an end for as long as the block runs."""
    clients = [server.connect() for _ in range(count)]
    threads = [threading.Thread(target=read_on, args=[client]) for client in clients]
    for client, thread in zip(clients, threads):
        client.request("/stream")
        thread.start()
    try:
        yield
    finally:
        for client in clients:
            client.sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def read_on(client: Client) -> None:
    buffer = bytearray(1 << 20)
    with contextlib.suppress(ConnectionError):
        while client.sock.recv_into(buffer):
            pass

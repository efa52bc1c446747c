"""A server that was frozen (SIGSTOP, a cgroup's freezer, a closed lid): what came in time counts.

The freezing is also a way to have several things happen in one turn of the loop, in a known order.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http import Client, render
from tests.support.process import ServerProcess, start_server
from tests.support.target import headwaiter_only
from tests.support.waiting import pause

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="needs SIGSTOP"),
    headwaiter_only("its timeouts and limits are others"),
]
TIMEOUT = 3.0


@contextlib.contextmanager
def frozen(server: ServerProcess) -> Iterator[None]:
    server.signal(signal.SIGSTOP)
    os.waitpid(server.pid, os.WUNTRACED)  # until every thread has stopped
    try:
        yield
    finally:
        server.signal(signal.SIGCONT)


def take_what_is_there(client: Client) -> None:
    """Reads all that the kernels hold."""
    client.sock.settimeout(0.2)
    with contextlib.suppress(socket.timeout):
        while client.sock.recv(1 << 20):
            pass
    client.sock.settimeout(TIMEOUT)


@pytest.mark.slow
def test_bytes_that_came_while_it_was_frozen_are_in_time() -> None:
    upload, question = render("/", "POST", body=b"x" * 100), render("/")
    with start_server(
        "tests.support.apps:bulk",
        header_timeout=TIMEOUT,
        body_timeout=TIMEOUT,
        channel_timeout=TIMEOUT,
        send_timeout=TIMEOUT,
    ) as server:
        idle, head, body, slow = (server.connect(receive_buffer=4096) for _ in range(4))
        slow.request("/stream?mib=8")
        assert slow.head().status == 200
        for client in (idle, head, body):
            assert client.ask().status == 200
        head.send(question[:10])
        body.send(upload[:-10])
        with frozen(server):
            idle.send(question)
            head.send(question[10:])
            body.send(upload[-10:])
            take_what_is_there(slow)
            pause(TIMEOUT + 0.5)
        for client in (idle, head, body):
            assert client.reply().status == 200
        slow.receive(1 << 20)


def test_a_request_is_not_evicted_for_a_connection_that_came_before_it() -> None:
    with start_server(connection_limit=1) as server:
        new = server.connect()
        assert new.ask().body == b"hello"
        for _ in range(10):  # in some the loop has more than these events before it
            old = new
            with frozen(server):
                new = server.connect()
                old.request()
                new.request()
            assert old.reply().body == b"hello"
            assert new.reply().body == b"hello"
            old.expect_closed()


def test_a_request_is_read_although_its_client_has_closed_a_unix_socket(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "socket")
    log = tmp_path / "access.log"
    with start_server(
        "tests.faults.apps:downloads",
        unix_socket=path,
        access_log=log,
        access_log_format="combined",
    ) as server:
        with frozen(server):
            for method, body in (("POST", b"x" * 200_000), ("GET", None)):
                with Client(path) as client:
                    client.send(render(f"/{method}", method, body=body))
        assert server.ask("/").body == b"hello"
        server.stop()
    lines = log.read_text().splitlines()
    # An unsafe one is run; a safe one is dropped, since nobody is there to get the reply.
    assert sorted(line.split('"')[1] for line in lines) == [
        "GET / HTTP/1.1",
        "GET /GET HTTP/1.1",
        "POST /POST HTTP/1.1",
    ]

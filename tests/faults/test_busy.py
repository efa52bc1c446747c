"""Every worker computes, or one of them holds the GIL: what needs no Python goes on.

The latencies are printed (``pytest -s``); asserted is only that none of them waits for Python: all
of it happens before Python's own replies come.
"""

from __future__ import annotations

import select
import time

import pytest

from tests.support.http import Client, render
from tests.support.process import ServerProcess, start_server
from tests.support.target import headwaiter_only

from .measure import Latencies

pytestmark = headwaiter_only("its loop needs the GIL")
THREADS = 4
SECONDS = 8
# The application computes for longer after its first chunk.
PROMPT = 1.0


def check_io_goes_on(server: ServerProcess, busy: list[Client]) -> None:
    """Health answers, refusals and deadlines, while Python is busy with what ``busy`` asked for."""
    health, refusals = Latencies("health_path"), Latencies("refusals")
    slow = server.connect()
    slow.send(b"GET / HTTP/1.1\r\nHost:")
    began = time.monotonic()

    def ask_health() -> None:
        assert server.ask("/health").status == 200

    def be_refused() -> None:
        with server.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: h\r\nBad Name: v\r\n\r\n")
            assert client.reply().status == 400
            client.expect_closed()

    for _ in range(100):
        health.measure(ask_health)
        refusals.measure(be_refused)
    assert slow.reply().status == 408
    late = time.monotonic() - began - 1.0
    assert select.select([client.sock for client in busy], [], [], 0)[0] == [], "Python is done"
    print(f"\n{health}\n{refusals}\nheader_timeout: {late * 1000:.1f} ms late")
    assert late > -0.1


def test_a_computing_view_on_every_worker() -> None:
    with start_server(
        "tests.faults.apps:busy", threads=THREADS, health_path="/health", header_timeout=1
    ) as server:
        busy = [server.connect(timeout=60) for _ in range(THREADS)]
        for client in busy:
            client.request(f"/spin?seconds={SECONDS}")
        server.wait_for_log(r"(?s)(began /spin.*){4}")
        check_io_goes_on(server, busy)
        for client in busy:
            assert client.reply().status == 200


def test_a_view_that_holds_the_gil() -> None:
    with start_server(
        "tests.faults.apps:busy", threads=THREADS, health_path="/health", header_timeout=1
    ) as server:
        holder = server.connect(timeout=60)
        holder.request(f"/hold?seconds={SECONDS}")
        server.wait_for_log("began /hold")
        check_io_goes_on(server, [holder])
        assert holder.reply().status == 200


@pytest.mark.parametrize("way", ["generator", "write"])
def test_a_chunk_leaves_before_the_next_one_is_computed(way: str) -> None:
    """The application sends the time on the clock that it shares with us, then burns CPU."""
    delays = Latencies(f"from {way} to the client")
    with start_server("tests.faults.apps:burning", threads=1) as server:
        for _ in range(3):
            with server.connect() as client:
                client.send(render(f"/{way}", headers=[("Connection", "close")]))
                assert client.head().framing == "chunked"
                if not client.buffer:
                    client.buffer = client.sock.recv(65536)
                first, data = client.buffer.split(b"\r\n")[:2]
                sent = float(data)
                delays.seconds.append(time.monotonic() - sent)
                assert int(first, 16) == len(data)
                assert client.rest().endswith(b"3\r\nend\r\n0\r\n\r\n")
                assert time.monotonic() - sent > 1.0, "the end did not take its time"
    print(f"\n{delays}")
    assert delays.quantile(1.0) < PROMPT


def test_downloads_go_on_while_the_gil_is_held() -> None:
    """A reply that the application has handed over is sent without Python."""
    size = 64 << 20
    with start_server("tests.faults.apps:busy", threads=2) as server:
        reader = server.connect(receive_buffer=65536)
        reader.request("/large?mib=64")
        assert reader.head().header("Content-Length") == str(size)
        holder = server.connect(timeout=60)
        holder.request(f"/hold?seconds={SECONDS}")
        server.wait_for_log("began /hold")
        began = time.monotonic()
        assert len(reader.receive(size)) == size
        assert time.monotonic() - began < SECONDS, "it waited for the GIL"
        assert holder.reply().status == 200

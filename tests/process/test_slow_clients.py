"""Clients that read nothing, send a byte at a time, or vanish: none of them costs a worker."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.support import procfs
from tests.support.apps import BLOCK
from tests.support.http import TIMEOUT, render
from tests.support.process import start_server
from tests.support.target import IS_WAITRESS, headwaiter_only
from tests.support.waiting import pause

BULK = "tests.support.apps:bulk"
CRUMBS = "tests.support.apps:crumbs"


@headwaiter_only("above 16 MiB the worker waits for the client")
def test_four_silent_readers_of_64_mib() -> None:
    """As many as there are workers, each asking for more than any socket buffer holds."""
    with start_server(BULK, threads=4) as server:
        for _ in range(4):
            silent = server.connect(receive_buffer=4096)
            silent.request("/stream?mib=64")
            assert silent.head().status == 200
        for _ in range(20):
            assert server.ask().body == b"hello"
        server.disconnect()
        assert server.ask().body == b"hello"


@headwaiter_only("above 16 MiB the worker waits for the client")
def test_silent_readers_get_everything_in_the_end() -> None:
    with start_server(BULK, threads=1) as server:
        readers = [server.connect(receive_buffer=4096) for _ in range(3)]
        for reader in readers:
            reader.request("/stream?mib=24")
            assert reader.head().status == 200
        assert server.ask().body == b"hello"
        for reader in readers:
            block = reader.receive(1 << 16)
            for _ in range(24 * 16 - 1):
                assert reader.receive(1 << 16) == block


@pytest.mark.skipif(not procfs.AVAILABLE, reason="reads /proc")
@headwaiter_only("it writes such pieces to a file of its own")
def test_a_late_reader_of_small_pieces_costs_no_call_for_each() -> None:
    """They lie on disk one behind the other, so they are sent by the block."""
    with start_server(CRUMBS, threads=1, outbuf_overflow=1 << 16) as server:
        late = server.connect(receive_buffer=1 << 16)
        late.request("/crumbs?pieces=20000")
        server.wait_for_log("all is yielded", timeout=6 * TIMEOUT)
        before = procfs.writes(server.pid)
        crumbs = b"".join(b"%08d" % n for n in range(20000))
        assert late.reply().body == BLOCK * 128 + crumbs
        assert procfs.writes(server.pid) - before < 5000


@pytest.mark.skipif(not procfs.AVAILABLE, reason="reads /proc")
@headwaiter_only("it has a file for each")
def test_spilled_replies_share_a_file(tmp_path: Path) -> None:
    with start_server(BULK, threads=4, spool_dir=tmp_path) as server:
        readers = [server.connect(receive_buffer=1 << 16) for _ in range(8)]
        for reader in readers:
            reader.request("/stream?mib=16")
            reader.head()
        assert server.ask().body == b"hello"  # each has had its worker
        spools = [name for name in procfs.descriptors(server.pid) if str(tmp_path) in name]
        assert len(spools) == 1
        for reader in readers[::7]:
            for _ in range(16 * 16):
                assert reader.receive(1 << 16) == BLOCK
        server.disconnect()


def test_dripping_heads_hold_no_worker() -> None:
    with start_server(BULK, threads=1) as server:
        dripping = [server.connect() for _ in range(60)]
        for byte in b"GET / HTTP/1.1\r\nHost: example.com\r\n":
            for client in dripping[:10]:
                client.send(bytes([byte]))
        for client in dripping[10:]:
            client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf")
        assert server.ask().body == b"hello"
        for client in dripping[:10]:
            client.send(b"\r\n")
            assert client.reply().body == b"hello"
        server.disconnect()  # the stop would wait for the bodies


@headwaiter_only("no deadline for heads")
def test_header_timeout() -> None:
    with start_server(BULK, header_timeout=0.5) as server:
        slow = server.connect()
        slow.send(b"GET / HTTP/1.1\r\nHost:")
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.1):
                try:
                    slow.send(b"x")
                except OSError:
                    return

        dripper = threading.Thread(target=drip)
        dripper.start()
        try:
            reply = slow.reply()
        finally:
            stop.set()
            dripper.join()
        assert reply.status == 408
        assert reply.closing
        assert server.ask().body == b"hello"


@headwaiter_only("no deadline for bodies")
def test_body_timeout() -> None:
    with start_server(BULK, body_timeout=0.5) as server:
        client = server.connect()
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf")
        reply = client.reply()
        assert (reply.status, reply.closing) == (408, True)
        client.expect_closed()


@headwaiter_only("looked at every 30 s")
def test_channel_timeout() -> None:
    with start_server(BULK, channel_timeout=1) as server:
        client = server.connect()
        assert client.ask().body == b"hello"
        client.expect_closed()  # silently


def test_channel_timeout_0_is_no_limit() -> None:
    with start_server(BULK, channel_timeout=0) as server:
        client = server.connect()
        for _ in range(3):
            assert client.ask().body == b"hello"
            client.expect_open()


@headwaiter_only("no such deadline")
def test_send_timeout() -> None:
    with start_server(BULK, send_timeout=1) as server:
        client = server.connect(receive_buffer=4096)
        client.request("/stream?mib=64")
        assert client.head().status == 200
        server.wait_for_log("(?i)send_timeout|no progress|did not read|send timeout")
        assert server.ask().body == b"hello"


def test_clients_that_vanish_at_every_offset() -> None:
    """Resets after each byte of a request; the server goes on, its descriptors come back."""
    raw = render("/stream?mib=1", "POST", [("X-A", "b")], b"some body")
    with start_server(BULK, threads=2) as server:

        def vanish() -> None:
            for cut in range(len(raw) + 1):
                client = server.connect()
                client.send(raw[:cut])
                client.reset()
            assert server.ask().body == b"hello"

        vanish()
        if procfs.AVAILABLE and not IS_WAITRESS:
            before = settled_descriptors(server.pid)
            vanish()
            assert settled_descriptors(server.pid) == before
        assert "Traceback" not in server.log


def settled_descriptors(pid: int) -> int:
    """How many there are once the number has stopped falling: closing is asynchronous."""
    least, again = len(procfs.descriptors(pid)), 0
    while again < 20:
        pause(0.02)
        now = len(procfs.descriptors(pid))
        least, again = min(least, now), again + 1 if now >= least else 0
    return least


def test_clients_that_vanish_while_a_reply_is_sent() -> None:
    with start_server(BULK, threads=2) as server:
        for taken in (0, 1, 100, 5000, 70000, 1 << 20):
            for target in ("/stream?mib=8", "/stream?mib=40"):
                client = server.connect(receive_buffer=65536)
                client.request(target)
                client.receive(taken)
                client.reset()
        for _ in range(5):
            assert server.ask().body == b"hello"
        if not IS_WAITRESS:
            assert "Traceback" not in server.log, "an ordinary disconnect is no error"


@pytest.mark.slow
@headwaiter_only("100 connections are all it accepts")
def test_five_hundred_dripping_clients_and_a_quick_one() -> None:
    with start_server(BULK, connection_limit=2000) as server:
        slow = [server.connect() for _ in range(500)]
        for byte in b"GET / HTTP/1.1\r\nHo":
            for client in slow:
                client.send(bytes([byte]))
            assert server.ask().body == b"hello"

"""What goes on while an application holds the GIL: accepting, reading, refusing.

The application sleeps in C through ``ctypes.PyDLL``, which does not release the GIL: no other
Python code runs in the process meanwhile. On a free-threaded build there is nothing to hold.
"""

from __future__ import annotations

import signal
import sys
import time

import pytest

from tests.support.process import start_server
from tests.support.target import headwaiter_only

APP = "tests.support.apps:gil"
pytestmark = headwaiter_only("its event loop needs the GIL")


@pytest.mark.slow
def test_io_goes_on_while_the_gil_is_held_in_c() -> None:
    with start_server(APP) as server, server.connect() as holder:
        holder.request("/hold?seconds=5")
        server.wait_for_log("began /hold")
        began = time.monotonic()
        waiting = [server.connect() for _ in range(20)]  # accepted
        for number, client in enumerate(waiting):
            client.request(f"/{number}", "POST", body=bytes(1 << 20))  # read whole: 20 MiB
        with server.connect() as wrong:
            wrong.send(b"GET / HTTP/1.1\r\nno colon\r\n\r\n")
            assert wrong.reply().status == 400
            wrong.expect_closed()
        with server.connect() as large:
            large.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999\r\n\r\n")
            assert large.reply().status == 413
        assert time.monotonic() - began < 4, "it waited for the GIL"
        holder.reply()
        assert time.monotonic() - began > 4, "the GIL was not held, so this proved nothing"
        for client in waiting:
            assert client.reply().body == b"hello"


@pytest.mark.slow
def test_a_large_reply_is_flushed_while_the_gil_is_held_in_c() -> None:
    """What an application has handed over leaves though no Python code can run."""
    with start_server("tests.process.gil_app:app") as server:
        reader, holder = server.connect(receive_buffer=65536), server.connect()
        reader.request("/large")
        assert reader.head().status == 200
        server.wait_for_log("handed over")
        holder.request("/hold")
        server.wait_for_log("holding")
        began = time.monotonic()
        assert len(reader.receive(16 << 20)) == 16 << 20
        assert time.monotonic() - began < 3
        holder.reply()
        assert time.monotonic() - began > 3, "the GIL was not held, so this proved nothing"


def test_a_stop_is_noticed_while_the_gil_is_held_in_c() -> None:
    """Python runs no signal handler meanwhile; the drain begins all the same."""
    with start_server(APP) as server, server.connect() as holder:
        idle = server.connect()
        assert idle.ask("/idle").status == 200
        holder.request("/hold?seconds=4")
        server.wait_for_log("began /hold")
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        idle.expect_closed()
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        assert time.monotonic() - began < 3, "it waited for the GIL"
        assert holder.reply().status == 200
        assert server.wait() == 0
        assert "SIGTERM: finishing" in server.log


@pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="there is no GIL to hold"
)
def test_a_gil_that_is_never_given_back_ends_the_process() -> None:
    with start_server(APP, shutdown_timeout=0.5) as server, server.connect() as holder:
        holder.request("/hold?seconds=60")
        server.wait_for_log("began /hold")
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        holder.expect_cut()
        assert server.wait() == 3
        assert time.monotonic() - began < 20, "it waited for the GIL"
        assert "headwaiter: the GIL is not given back" in server.log


def test_a_second_signal_ends_the_process_although_the_gil_is_held() -> None:
    with start_server(APP) as server, server.connect() as holder:
        holder.request("/hold?seconds=60")
        server.wait_for_log("began /hold")
        server.signal(signal.SIGTERM)
        time.sleep(0.6)  # a second signal that comes sooner is the same stop
        server.signal(signal.SIGTERM)
        assert server.wait() == 3


def test_refusals_beside_a_view_that_burns_cpu() -> None:
    with start_server(APP) as server, server.connect() as spinner:
        spinner.request("/spin?seconds=1")
        server.wait_for_log("began /spin")
        for _ in range(20):
            with server.connect() as wrong:
                wrong.send(b"BAD\r\n\r\n")
                assert wrong.reply().status == 400
        assert spinner.reply().status == 200

"""Signals: drain, stop at once, and the handlers of the application."""

from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.http import Client, render
from tests.support.process import ServerProcess, start_program, start_server
from tests.support.target import headwaiter_only

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
    headwaiter_only("SIGTERM ends it at once, SIGINT after five seconds"),
]
PROGRAMS = "tests.process.programs"


def refused(server: ServerProcess) -> bool:
    """Whether a new connection is refused."""
    try:
        with server.connect() as client:
            client.request()
            client.rest()
    except ConnectionError:
        return True
    return False


def later() -> None:
    """A second signal is another stop only half a second after the first: nothing to wait for."""
    time.sleep(0.6)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_ten_requests_are_finished(number: int, tmp_path: Path) -> None:
    """Ten requests behind four threads; the signal comes while four run."""
    signalled = tmp_path / "signalled"
    with start_server("tests.support.apps:sleepy", threads=4) as server:
        idle = server.connect()
        assert idle.ask("/idle").status == 200
        clients = [server.connect() for _ in range(10)]
        for count, client in enumerate(clients):
            client.request(f"/{count}?until={signalled}")
        server.wait_for_log(r"(?s)(began /\d.*){4}")
        with server.connect() as probe:  # a refusal comes back once all before it were read
            probe.send(b"BAD\r\n\r\n")
            probe.rest()
        server.signal(number)
        idle.expect_closed()
        assert refused(server)
        signalled.touch()
        with ThreadPoolExecutor(10) as pool:
            replies = list(pool.map(Client.reply, clients))
        assert [reply.status for reply in replies] == [200] * 10
        assert all(b'"thread"' in reply.body for reply in replies)
        assert all(reply.closing for reply in replies)
        for client in clients:
            client.expect_closed()
        assert server.wait() == 0


def test_an_idle_server_stops_at_once() -> None:
    with start_server() as server:
        server.ask()
        idle = server.connect()
        assert idle.ask().status == 200  # and stays open
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        idle.expect_closed()
        assert server.wait() == 0
        took = time.monotonic() - began
    assert took < 1.0, f"{took:.3f} s; 0.2 s is the promise, the rest is for a loaded machine"


def test_a_request_that_is_being_sent_is_refused_or_finished() -> None:
    """Half a request at the signal: the server does not wait for a client that may never send."""
    with start_server(shutdown_timeout=5) as server, server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost:")
        server.ask()
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        client.expect_cut()
        server.wait()
        assert time.monotonic() - began < 8


def test_pipelined_requests_behind_the_last_one() -> None:
    """What was received before the signal is answered, in order, and then the connection closes."""
    with start_server("tests.support.apps:sleepy", threads=1) as server, server.connect() as client:
        client.send(render("/first?seconds=0.5") + render("/second") + render("/third"))
        server.wait_for_log("began /first")
        server.signal(signal.SIGTERM)
        replies = [client.reply()]
        while not replies[-1].closing:
            replies.append(client.reply())
        client.expect_closed()
        assert all(reply.status == 200 for reply in replies)
        assert server.wait() == 0


def test_a_second_signal_leaves_at_once() -> None:
    with start_server("tests.support.apps:sleepy") as server, server.connect() as client:
        client.request("/?seconds=60")
        server.wait_for_log("began")
        server.signal(signal.SIGTERM)
        server.wait_for_log("(SIGTERM|SIGINT): ")
        later()
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.wait() == 3
        assert time.monotonic() - began < 5
        client.expect_cut()


def test_signals_that_come_together_are_one() -> None:
    """A terminal signals the process group, and a parent in it passes its own on."""
    with start_server("tests.support.apps:sleepy") as server, server.connect() as client:
        client.request("/?seconds=1")
        server.wait_for_log("began")
        server.signal(signal.SIGTERM)
        server.wait_for_log("SIGTERM: finishing")
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGINT)
        assert client.reply().status == 200
        assert server.wait() == 0
        assert "leaving now" not in server.log


def test_interrupts_of_run_that_come_together_are_one() -> None:
    with start_program(PROGRAMS, "keyboard_interrupt_sleepy") as server:
        with server.connect() as client:
            client.request("/slow")
            server.wait_for_log("slow")
            server.signal(signal.SIGINT)
            server.wait_for_log("stopping")
            server.signal(signal.SIGINT)
            assert client.reply().status == 200
        assert server.wait() == 0, server.log
        assert "run returned 0" in server.log


def test_a_signal_to_a_forked_child_is_not_the_servers() -> None:
    """The child has the parent's wake-up socket and its handlers, and is to die of SIGTERM."""
    with start_program(PROGRAMS, "forks") as server:
        assert server.ask("/terminated").body == b"-15"
        assert server.ask("/").body == b"parent"
        assert "SIGTERM: " not in server.log


def test_the_deadline_ends_a_stuck_request() -> None:
    with start_server("tests.support.apps:sleepy", shutdown_timeout=0.5) as server:
        client = server.connect()
        client.request("/named?seconds=60")
        server.wait_for_log("began")
        server.signal(signal.SIGTERM)
        assert server.wait() == 3
        assert "/named" in server.log.partition("began /named")[2], "the log names the request"


def test_a_client_that_does_not_read_cannot_hold_up_the_stop() -> None:
    with start_server("tests.support.apps:bulk", shutdown_timeout=1) as server:
        client = server.connect(receive_buffer=4096)
        client.request("/stream?mib=64")
        assert client.head().status == 200
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        code = server.wait()
        assert time.monotonic() - began < 8
        assert code == 3, "a cut reply is told by the exit code"


def test_a_download_is_finished_before_the_end() -> None:
    with start_server("tests.support.apps:bulk") as server, server.connect() as client:
        client.request("/stream?mib=32")
        client.receive(1000)
        server.signal(signal.SIGTERM)
        assert len(client.rest()) > (32 << 20) - 2000
        assert server.wait() == 0


def test_handlers_of_the_application_run_while_it_waits() -> None:
    with start_program(PROGRAMS, "own_handlers") as server:
        assert server.ask().status == 200
        for _ in range(3):
            server.signal(signal.SIGUSR1)
            server.wait_for_log("handled SIGUSR1")
        assert server.ask().status == 200
        server.signal(signal.SIGTERM)
        server.wait_for_log("own SIGTERM")
        assert server.wait() == 0
        assert "handler kept" in server.log


def test_serve_restores_handlers_and_wakeup() -> None:
    with start_program(PROGRAMS, "serve_restores") as server:
        assert server.ask().status == 200
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert "restored True True True" in server.log
        assert "mine" not in server.log


def test_keyboard_interrupt_in_run_drains() -> None:
    with start_program(PROGRAMS, "keyboard_interrupt") as server:
        assert server.ask().status == 200
        server.signal(signal.SIGINT)
        assert server.wait() == 0, server.log
        assert "run returned" in server.log
        assert "Traceback" not in server.log


def test_run_in_a_thread_touches_no_handler() -> None:
    with start_program(PROGRAMS, "in_a_thread") as server:
        handlers = server.wait_for_log("handlers (.*)")[1]
        assert "default_int_handler" in handlers
        assert "SIG_DFL" in handlers or handlers.startswith("0")
        assert server.ask().status == 200
        server.end_input()
        assert server.wait() == 0
        assert "closed False 0" in server.log


@pytest.mark.parametrize("path", ["/", "/stuck"])
def test_the_interpreter_ends_while_a_server_runs(path: str) -> None:
    """A program whose main thread ends with the server still running: neither crash nor hang."""
    with start_program(PROGRAMS, "exits_while_serving") as server, server.connect() as client:
        client.request(path)
        if path == "/stuck":
            server.wait_for_log("stuck")
        else:
            assert client.reply().status == 200
        server.end_input()
        assert server.wait() == 0
        assert "leaving" in server.log


def test_fork_in_the_application() -> None:
    with start_program(PROGRAMS, "forks") as server:
        for _ in range(5):
            assert server.ask("/fork").body == b"7"
            assert server.ask("/subprocess").body == b"child"
            assert server.ask("/").body == b"parent"


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_a_forked_child_that_stays_does_not_hold_up_the_end(version: str) -> None:
    """The child has a copy of the connection's descriptor; the client sees its end all the same."""
    with start_program(PROGRAMS, "forks") as server, server.connect() as client:
        client.send(f"GET /stays {version}\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        child = int(client.reply().body)
        try:
            client.expect_closed()
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_server_in_a_forked_child() -> None:
    with start_program(PROGRAMS, "forks") as server:
        assert server.ask("/serve").body == b"0"
        assert server.ask("/").body == b"parent"


def test_threads_that_the_application_starts() -> None:
    with start_program(PROGRAMS, "threads_of_the_application") as server:
        assert server.ask().status == 200
        server.wait_for_log("background ran")

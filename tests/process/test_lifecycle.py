"""``create_server``, ``run``, ``close``: from any thread, many times, leaving nothing behind."""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.support import procfs
from tests.support.apps import hello
from tests.support.http import Client
from tests.support.live import LiveServer, LogCatcher, create
from tests.support.target import headwaiter_only
from tests.support.wsgi import Environ, StartResponse

pytestmark = headwaiter_only("it cannot be closed from another thread, and leaves sockets behind")


def test_close_returns_after_the_drain() -> None:
    running, release = threading.Event(), threading.Event()

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        running.set()
        assert release.wait(20)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    with LiveServer(app) as server:
        client = server.connect()
        client.request()
        assert running.wait(20)
        closed = threading.Event()

        def close() -> None:
            server.server.close()
            closed.set()

        closer = threading.Thread(target=close)
        closer.start()
        assert not closed.wait(0.1), "close() returned while a request ran"
        release.set()
        assert closed.wait(20)
        closer.join()
        reply = client.reply()
        assert reply.body == b"ok"
        assert reply.closing
        client.expect_closed()


def test_close_from_many_threads_at_once() -> None:
    server = LiveServer(hello)
    assert server.ask().status == 200
    closers = [threading.Thread(target=server.server.close) for _ in range(8)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(20)
        assert not closer.is_alive()
    server.close()


def test_close_from_the_application() -> None:
    servers: list[LiveServer] = []

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        servers[0].server.close()
        start_response("200 OK", [("Content-Length", "6")])
        return [b"closed"]

    servers.append(LiveServer(app))
    assert servers[0].ask().body == b"closed"
    servers[0].thread.join(20)
    assert not servers[0].thread.is_alive()
    servers[0].close()


def test_close_before_run() -> None:
    server = create(hello, listen="127.0.0.1:0")
    address = ("127.0.0.1", int(server.effective_port))
    server.close()
    with pytest.raises(ConnectionError), Client(address) as client:
        client.ask()
    server.run()  # returns at once
    server.close()


def test_a_server_that_never_ran_leaves_nothing() -> None:
    """The ports of a test suite that only builds servers."""
    before = len(procfs.descriptors(os.getpid()))
    for _ in range(20):
        create(hello, listen="127.0.0.1:0").close()
    gc.collect()
    assert len(procfs.descriptors(os.getpid())) <= before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_cannot_stop_its_parents_server() -> None:
    with LiveServer(hello) as server:
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # it is to fail, not to hang
            try:
                with server.server:
                    server.server.reopen_logs()
                server.server.abort()
                with pytest.raises(RuntimeError):
                    server.server.stats()
            except BaseException:
                os._exit(1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert server.ask().body == b"hello"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_leaves_its_parents_unix_socket(tmp_path: Path) -> None:
    """It closes its copies of sockets that have not been used yet, and no more."""
    path = tmp_path / "s"
    server = create(hello, unix_socket=str(path))
    child = os.fork()
    if child == 0:
        server.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert path.exists()
    server.close()
    assert not path.exists()


def test_context_manager() -> None:
    with create(hello, listen="127.0.0.1:0") as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        with Client(("127.0.0.1", int(server.effective_port))) as client:
            assert client.ask().body == b"hello"
    thread.join(20)
    assert not thread.is_alive()


def test_two_servers_at_once() -> None:
    def one(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "3")])
        return [b"one"]

    with LiveServer(one) as first, LiveServer(hello) as second:
        assert (first.ask().body, second.ask().body) == (b"one", b"hello")
        first.close()
        assert second.ask().body == b"hello"


def cycle(number: int) -> None:
    """One server, one request of some kind, closed in some state."""
    with LiveServer(hello, threads=2) as server:
        client = server.connect()
        assert client.ask().body == b"hello"
        if number % 4 == 1:  # gone in the middle of a head
            client.send(b"GET / HTT")
            client.close()
        elif number % 4 == 2:
            client.reset()
        elif number % 4 == 3:  # gone in the middle of an upload
            client.request("/", "POST", [("Content-Length", "1000000")])
            client.close()


def check_cycles(count: int) -> None:
    for number in range(8):  # what is made once: imports, the logging thread, allocator arenas
        cycle(number)
    gc.collect()
    pid = os.getpid()
    descriptors, threads, memory = procfs.descriptors(pid), procfs.threads(pid), procfs.rss(pid)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(count):
            cycle(number)
        gc.collect()
    assert len(procfs.descriptors(pid)) <= len(descriptors)
    assert procfs.threads(pid) <= threads
    grown = procfs.rss(pid) - memory
    assert grown < max(count, 100) * 20_000, f"{grown} bytes after {count} cycles"


def test_fifty_cycles_leave_nothing() -> None:
    check_cycles(50)


@pytest.mark.slow
def test_a_thousand_cycles_leave_nothing() -> None:
    check_cycles(1000)


def test_the_application_is_released(serve: Serve) -> None:
    """A closed server holds nothing of the application."""

    class App:
        def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            return hello(environ, start_response)

        def __del__(self) -> None:
            freed.set()

    freed = threading.Event()
    server = LiveServer(App())
    assert server.ask().status == 200
    server.close()
    del server
    gc.collect()
    assert freed.wait(20)


def test_what_is_logged_last_is_not_lost(logs: LogCatcher) -> None:
    def app(_environ: Environ, _start_response: StartResponse) -> Iterable[bytes]:
        raise LookupError("at the very end")

    with LiveServer(app) as server:
        server.ask()
    assert any("at the very end" in text for text in logs.errors()), "close() returned before it"


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::pytest.PytestUnhandledThreadExceptionWarning",
)
def test_a_logging_handler_that_raises_does_no_harm(serve: Serve, logs: LogCatcher) -> None:
    class Bad(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("handler failed")

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/raise":
            raise LookupError(environ["QUERY_STRING"])
        return hello(environ, start_response)

    bad = Bad()
    logger = logging.getLogger("headwaiter")
    logger.addHandler(bad)
    try:
        server = serve(app)
        assert server.ask("/raise").status == 500
        with server.connect() as client:
            client.send(b"BAD\r\n\r\n")
            assert client.reply().status == 400
        assert server.ask().status == 200
    finally:
        logger.removeHandler(bad)
    assert server.ask("/raise?afterwards").status == 500
    with server.connect() as client:
        client.send(b"BAD AFTERWARDS\r\n\r\n")
        assert client.reply().status == 400
    logs.wait_for("afterwards")

"""``close()`` of what an application returned: once, on the worker, however the reply ends."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Callable

import pytest

from tests.conftest import Serve
from tests.support.live import LOGGER, LogCatcher
from tests.support.target import IS_WAITRESS, headwaiter_only
from tests.support.wsgi import App, Environ, StartResponse

PLAIN = [("Content-Type", "text/plain")]


class Body:
    """An iterable that notes who iterates and who closes it."""

    def __init__(self, chunks: Callable[[], Iterator[bytes]]) -> None:
        self._chunks = chunks
        self.iterated_on: list[str] = []
        self.closed_on: list[str] = []
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        self.iterated_on.append(threading.current_thread().name)
        return self._chunks()

    def close(self) -> None:
        self.closed_on.append(threading.current_thread().name)
        self.closed.set()

    def check(self) -> None:
        """Closed exactly once, and by the worker."""
        assert self.closed.wait(20), "close() was not called"
        assert len(self.closed_on) == 1, f"close() called by {self.closed_on}"
        assert self.closed_on[0].startswith(f"{LOGGER}-"), "not on a worker"
        if self.iterated_on:
            assert self.iterated_on == self.closed_on, "close() on another thread"


def two() -> Iterator[bytes]:
    yield b"one"
    yield b"two"


def nothing() -> Iterator[bytes]:
    return iter(())


def broken_at_once() -> Iterator[bytes]:
    raise RuntimeError("broken at once")
    yield b""


def broken_later() -> Iterator[bytes]:
    yield b"one"
    raise RuntimeError("broken later")


def exits() -> Iterator[bytes]:
    yield b"one"
    raise SystemExit(3)


def wrong_type() -> Iterator[bytes]:
    yield "text"  # type: ignore[misc]


def serving(body: Body, status: str = "200 OK", length: int | None = None) -> App:
    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        known = [("Content-Length", str(length))] if length is not None else []
        start_response(status, PLAIN + known)
        return body

    return app


EXITS: dict[str, tuple[str, str, int | None, Callable[[], Iterator[bytes]]]] = {
    # method, status, Content-Length, chunks
    "done": ("GET", "200 OK", None, two),
    "done, with a length": ("GET", "200 OK", 6, two),
    "done, 1.0": ("GET 1.0", "200 OK", None, two),
    "empty": ("GET", "200 OK", None, nothing),
    "head": ("HEAD", "200 OK", None, two),
    "head, with a length": ("HEAD", "200 OK", 6, two),
    "304": ("GET", "304 Not Modified", None, two),
    "204": ("GET", "204 No Content", None, two),
    "too long": ("GET", "200 OK", 4, two),
    "too short": ("GET", "200 OK", 100, two),
    "broken at once": ("GET", "200 OK", None, broken_at_once),
    "broken later": ("GET", "200 OK", None, broken_later),
    "broken later, with a length": ("GET", "200 OK", 100, broken_later),
    "SystemExit": ("GET", "200 OK", None, exits),
    "wrong type": ("GET", "200 OK", None, wrong_type),
}


@pytest.mark.parametrize("exit_", EXITS)
def test_close_is_called_once(serve: Serve, logs: LogCatcher, exit_: str) -> None:
    method, status, length, chunks = EXITS[exit_]
    if IS_WAITRESS and exit_ == "SystemExit":
        pytest.skip("the worker of Waitress ends")
    bodies: list[Body] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        bodies.append(Body(chunks))
        return serving(bodies[-1], status, length)(environ, start_response)

    server = serve(app)
    with server.connect() as client:
        client.request(method=method.split()[0], version="1.0" if "1.0" in method else "1.1")
        client.half_close()
        client.expect_cut()
    assert len(bodies) == 1
    bodies[0].check()
    server.close()
    bodies[0].check()


def test_close_when_start_response_was_never_called(serve: Serve) -> None:
    body = Body(two)

    def app(_environ: Environ, _start_response: StartResponse) -> Iterable[bytes]:
        return body

    server = serve(app)
    assert server.ask().status == 500
    body.check()


def test_close_raising_is_logged_and_costs_nothing(serve: Serve, logs: LogCatcher) -> None:
    class Bad(Body):
        def close(self) -> None:
            super().close()
            raise RuntimeError("close failed")

    body = Bad(two)
    server = serve(serving(body, length=6))
    with server.connect() as client:
        assert client.ask().body == b"onetwo"
    body.check()
    logs.wait_for("close failed")


def test_generators_are_closed(serve: Serve) -> None:
    """A generator's ``finally`` runs though the generator was not used up."""
    finished = threading.Event()

    def app(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("304 Not Modified", [])
        try:
            yield b"never sent"
            yield b"nor this"
        finally:
            finished.set()

    serve(app).ask()
    assert finished.wait(20)


@pytest.mark.parametrize("length", [None, 1 << 40], ids=["chunked", "length"])
def test_client_abort_while_iterating(serve: Serve, length: int | None) -> None:
    """The client resets in the middle of an endless reply."""
    stop = threading.Event()

    def endless() -> Iterator[bytes]:
        while not stop.is_set():
            yield b"x" * 65536

    body = Body(endless)
    server = serve(serving(body, length=length), outbuf_high_watermark=1 << 20)
    try:
        client = server.connect()
        client.request()
        assert client.receive(100000)
        client.reset()
        body.check()
    finally:
        stop.set()


def test_client_abort_before_the_first_chunk(serve: Serve) -> None:
    running, gone = threading.Event(), threading.Event()

    def late() -> Iterator[bytes]:
        running.set()
        assert gone.wait(20)
        yield b"x" * 100
        yield b"y" * 100

    body = Body(late)
    server = serve(serving(body))
    client = server.connect()
    client.request()
    assert running.wait(20)
    client.reset()
    gone.set()
    body.check()


@headwaiter_only("it cuts the reply")
def test_shutdown_while_iterating(serve: Serve) -> None:
    """A stop lets the running reply finish, close() included."""
    running, release = threading.Event(), threading.Event()

    def gated() -> Iterator[bytes]:
        running.set()
        assert release.wait(20)
        yield b"one"
        yield b"two"

    body = Body(gated)
    server = serve(serving(body, length=6))
    with server.connect() as client:
        client.request()
        assert running.wait(20)
        stopper = threading.Thread(target=server.close)
        stopper.start()
        release.set()
        reply = client.reply()
        assert reply.body == b"onetwo"
        client.expect_closed()
        stopper.join(20)
    body.check()


@headwaiter_only("it has no deadline")
def test_a_cut_at_the_shutdown_deadline(serve: Serve) -> None:
    """The client never reads and the worker waits for it: the deadline frees both."""

    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    body = Body(endless)
    server = serve(
        serving(body),
        outbuf_high_watermark=1 << 20,
        outbuf_overflow=1 << 18,
        shutdown_timeout=0.5,
    )
    with server.connect(receive_buffer=4096) as client:
        client.request()
        assert client.head().status == 200
        server.close()
        body.check()


@headwaiter_only("the worker waits for ever")
def test_a_client_that_never_reads_is_cut_at_send_timeout(serve: Serve) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    body = Body(endless)
    server = serve(serving(body), outbuf_high_watermark=1 << 20, send_timeout=1)
    with server.connect(receive_buffer=4096) as client:
        client.request()
        assert client.head().status == 200
        body.check()


@headwaiter_only("nothing is raised there")
def test_write_raises_when_the_client_is_gone(serve: Serve) -> None:
    """An application that writes learns of it by an exception and can clean up."""
    raised: list[BaseException] = []
    done = threading.Event()

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", PLAIN)
        try:
            while True:
                write(b"x" * 65536)
        except BaseException as error:
            raised.append(error)
            raise
        finally:
            done.set()

    server = serve(app, outbuf_high_watermark=1 << 20)
    client = server.connect()
    client.request()
    assert client.receive(1000)
    client.reset()
    assert done.wait(20)
    assert type(raised[0]).__name__ == "ClientDisconnected"
    assert isinstance(raised[0], OSError), "applications catch OSError for a broken connection"


class Slow(Body):
    """A body whose ``close`` takes until it is released."""

    def __init__(self, chunks: Callable[[], Iterator[bytes]]) -> None:
        super().__init__(chunks)
        self.release = threading.Event()

    def close(self) -> None:
        super().close()
        assert self.release.wait(20)


WHOLE = {
    # method, status, Content-Length, body
    "chunked": ("GET", "200 OK", None, b"onetwo"),
    "length": ("GET", "200 OK", 6, b"onetwo"),
    "1.0": ("GET 1.0", "200 OK", None, b"onetwo"),
    "head": ("HEAD", "200 OK", 6, b""),
    "redirect": ("GET", "302 Found", 0, b""),
    "204": ("GET", "204 No Content", None, b""),
    "304": ("GET", "304 Not Modified", None, b""),
}


@headwaiter_only("the end of a reply waits for close()")
@pytest.mark.parametrize("handoff", ["leader", "dedicated"])
@pytest.mark.parametrize("reply", WHOLE)
def test_a_reply_does_not_wait_for_close(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, reply: str, handoff: str
) -> None:
    """It is whole at the client, and the next request is served, while close() runs."""
    monkeypatch.setenv("HEADWAITER_HANDOFF", handoff)
    method, status, length, expected = WHOLE[reply]
    body = Slow(two)

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/slow":
            return serving(body, status, length)(environ, start_response)
        start_response("200 OK", [*PLAIN, ("Content-Length", "5")])
        return [b"other"]

    server = serve(app, threads=2)
    try:
        with server.connect() as client:
            for _ in range(20):  # few requests, one after the other: the loop is lent
                assert client.ask().body == b"other"
            name, version = method.split()[0], "1.0" if "1.0" in method else "1.1"
            client.request("/slow", name, version=version)
            assert client.reply(name).body == expected
            if version == "1.0":
                client.expect_closed()
            else:
                assert client.ask().body == b"other"
            assert body.closed.wait(20)
            assert not body.release.is_set()
    finally:
        body.release.set()
    body.check()


@headwaiter_only("it is not waited for")
def test_a_stop_waits_for_close(serve: Serve) -> None:
    body = Slow(two)
    server = serve(serving(body, length=6))
    assert server.ask().body == b"onetwo"
    assert body.closed.wait(20)
    stopper = threading.Thread(target=server.close)
    stopper.start()
    stopper.join(0.3)
    assert stopper.is_alive(), "the server has ended although a worker was not through"
    body.release.set()
    stopper.join(20)
    assert not stopper.is_alive()
    assert server.server.unfinished == 0


@headwaiter_only("it has no deadline")
def test_a_close_that_does_not_end_is_cut_and_said_so(serve: Serve, logs: LogCatcher) -> None:
    body = Slow(two)
    server = serve(serving(body, length=6), shutdown_timeout=0.3)
    assert server.ask("/endless").body == b"onetwo"
    assert body.closed.wait(20)
    server.server.close()
    assert server.server.unfinished == 1
    logs.wait_for("cut while its iterable was being closed: GET /endless")
    body.release.set()


@headwaiter_only("it has no deadline")
def test_a_reply_that_is_cut_while_it_is_sent_and_closed_is_one_request(serve: Serve) -> None:
    size = 64 << 20
    body = Slow(lambda: iter([bytes(size)]))
    server = serve(serving(body, length=size))
    with server.connect(receive_buffer=4096) as client:
        client.request("/")
        assert body.closed.wait(20)
        server.server.abort()
        server.thread.join(20)
        assert server.server.unfinished == 1
    body.release.set()
    body.check()

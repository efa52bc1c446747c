"""Applications that raise: what the client gets, what is logged, and that the server goes on."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from collections.abc import Iterable, Iterator

import pytest

from tests.conftest import Serve
from tests.support.live import LogCatcher
from tests.support.target import IS_WAITRESS, headwaiter_only
from tests.support.waiting import eventually
from tests.support.wsgi import App, Environ, StartResponse

PLAIN = [("Content-Type", "text/plain")]


class OwnError(Exception):
    """An exception that cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("str() failed")


CLASSES: list[type[BaseException]] = [
    ValueError,
    UnicodeError,
    OSError,
    RecursionError,
    MemoryError,
    StopIteration,
    AssertionError,
    OwnError,
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
    BaseException,
]
BASE = (SystemExit, KeyboardInterrupt, GeneratorExit, BaseException)


def raising(where: str, kind: type[BaseException]) -> App:
    """Raises ``kind`` at the moment ``where``; OPTIONS is always answered well."""

    def body() -> Iterator[bytes]:
        if where == "first next":
            raise kind
        yield b"begun"
        if where == "second next" and kind is not StopIteration:
            raise kind

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "OPTIONS":
            start_response("200 OK", [("Content-Length", "0")])
            return []
        if where == "call":
            raise kind
        start_response("200 OK", [*PLAIN, ("Content-Length", "100")])
        if where == "after start_response":
            raise kind
        return body()

    return app


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("where", ["call", "after start_response", "first next"])
def test_an_exception_before_the_head_is_a_500(
    serve: Serve, logs: LogCatcher, where: str, kind: type[BaseException]
) -> None:
    if IS_WAITRESS and kind in BASE:
        pytest.skip("the worker of Waitress ends")
    if where == "first next" and kind is StopIteration:
        pytest.skip("a generator turns it into RuntimeError")
    server = serve(raising(where, kind))
    with server.connect() as client:
        reply = client.ask()
        assert reply.status == 500
        assert b"Traceback" not in reply.body
        assert kind.__name__.encode() not in reply.body
    logs.wait_for(kind.__name__, logging.ERROR)
    for _ in range(5):  # more often than there are workers
        assert server.ask(method="OPTIONS").status == 200


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_exception_after_the_head_cuts_the_reply(
    serve: Serve, logs: LogCatcher, kind: type[BaseException]
) -> None:
    """The client must be able to tell that the reply is not whole."""
    if IS_WAITRESS and kind in BASE:
        pytest.skip("the worker of Waitress ends")
    if kind is StopIteration:
        pytest.skip("a generator turns it into RuntimeError")
    server = serve(raising("second next", kind))
    with server.connect() as client:
        client.request()
        if client.head().status == 200:
            assert client.expect_cut() in (b"begun", b"")
    logs.wait_for(kind.__name__, logging.ERROR)
    for _ in range(5):
        assert server.ask(method="OPTIONS").status == 200


def test_an_exception_in_a_chunked_reply_never_looks_complete(serve: Serve) -> None:
    begun = threading.Event()

    def app(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b"begun"
        assert begun.wait(20)
        raise RuntimeError("in the middle")

    server = serve(app)
    with server.connect() as client:
        client.request()
        begun.set()
        head = client.head()
        if head.status == 200:
            assert b"0\r\n\r\n" not in client.expect_cut()
        else:
            assert head.status == 500


@headwaiter_only("the exception ends its worker thread")
def test_system_exit_does_not_end_a_worker(serve: Serve) -> None:
    server = serve(raising("call", SystemExit), threads=2)
    for _ in range(10):
        assert server.ask().status == 500

    def all_alive() -> bool:
        alive = {thread.name for thread in threading.enumerate() if thread.is_alive()}
        return {"headwaiter-0", "headwaiter-1"} <= alive

    eventually(all_alive, "both workers alive; the second may have started late")


def test_the_log_has_the_traceback_and_the_request(serve: Serve, logs: LogCatcher) -> None:
    def app(_environ: Environ, _start_response: StartResponse) -> Iterable[bytes]:
        raise LookupError("where it went wrong")

    serve(app).ask("/path/of/the/request")
    record = logs.wait_for("where it went wrong", logging.ERROR)
    shown = logging.Formatter().format(record)
    assert "Traceback (most recent call last)" in shown
    assert __file__.rsplit("/", 1)[-1] in shown
    assert "/path/of/the/request" in shown


def test_tracebacks_are_hidden_by_default(serve: Serve) -> None:
    def app(_environ: Environ, _start_response: StartResponse) -> Iterable[bytes]:
        raise LookupError("secret detail")

    reply = serve(app).ask()
    assert reply.status == 500
    assert b"secret" not in reply.body
    assert (reply.header("Content-Type") or "").startswith("text/plain")


def test_expose_tracebacks(serve: Serve) -> None:
    def app(_environ: Environ, _start_response: StartResponse) -> Iterable[bytes]:
        raise LookupError("shown <detail>")

    reply = serve(app, expose_tracebacks=True).ask()
    assert reply.status == 500
    assert b"LookupError: shown <detail>" in reply.body
    assert (reply.header("Content-Type") or "").startswith("text/plain"), "or it would be markup"


def test_a_500_to_head_has_no_body(serve: Serve) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "HEAD":
            raise LookupError
        start_response("200 OK", [("Content-Length", "0")])
        return []

    server = serve(app)
    with server.connect() as client:
        reply = client.ask(method="HEAD")
        assert reply.status == 500
        if reply.closing and not IS_WAITRESS:
            client.expect_closed()


def test_a_500_on_http_1_0(serve: Serve) -> None:
    server = serve(raising("call", ValueError))
    with server.connect() as client:
        assert client.ask(version="1.0").status == 500
        client.expect_closed()


def test_deep_recursion_in_the_application(serve: Serve) -> None:
    def deep(n: int) -> int:
        return deep(n + 1) + 1

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        deep(0)
        start_response("200 OK", [])
        return []

    server = serve(app)
    for _ in range(3):
        assert server.ask().status == 500


def test_an_exception_leaves_no_reference_cycle(serve: Serve) -> None:
    """What the application held is free once the reply is out, without the garbage collector."""
    freed = threading.Event()

    class Held:
        def __del__(self) -> None:
            freed.set()

    def app(environ: Environ, _start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/hold":
            held = Held()
            raise LookupError(id(held))
        return []

    server = serve(app)
    logging.disable()  # a log record that pytest keeps would hold the traceback and its frames
    gc.disable()
    try:
        assert server.ask("/hold").status == 500
        assert server.ask("/flush").status == 500  # the same worker or another: both are done
        server.close()
        if not IS_WAITRESS:
            assert freed.wait(20)
    finally:
        gc.enable()
        logging.disable(logging.NOTSET)


def test_sys_exc_info_is_clean_in_the_next_request(serve: Serve) -> None:
    seen: list[object] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(sys.exc_info()[0])
        if environ["PATH_INFO"] == "/raise":
            raise LookupError
        start_response("200 OK", [("Content-Length", "0")])
        return []

    server = serve(app, threads=1)
    server.ask("/raise")
    server.ask("/")
    assert seen == [None, None]

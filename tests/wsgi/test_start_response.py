"""``start_response`` and ``write``: when they may be called, how often, and what is then sent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.conftest import Serve
from tests.support.http import TIMEOUT
from tests.support.live import LogCatcher
from tests.support.target import FLUSH_AT_ONCE, headwaiter_only
from tests.support.wsgi import Environ, StartResponse, current_exc_info

PLAIN = [("Content-Type", "text/plain")]


def test_late_in_the_first_next(serve: Serve) -> None:
    """A generator calls it only when the server asks for the first chunk."""

    def app(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("201 Created", [("Content-Type", "text/plain"), ("X-Late", "yes")])
        yield b"a"
        yield b"b"

    reply = serve(app).ask()
    assert (reply.status, reply.reason, reply.body) == (201, "Created", b"ab")
    assert reply.header("X-Late") == "yes"


def test_late_in_a_generator_with_an_empty_first_chunk(serve: Serve) -> None:
    def app(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b""
        yield b"data"

    assert serve(app).ask().body == b"data"


def test_headers_wait_for_the_first_chunk(serve: Serve) -> None:
    """Until there is a chunk the application may still replace the reply with an error."""

    def app(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [*PLAIN, ("X-First", "1")])
        yield b""
        try:
            raise RuntimeError("found too late")
        except RuntimeError:
            start_response("503 Busy", [("Content-Type", "text/html")], current_exc_info())
        yield b"sorry"

    reply = serve(app).ask()
    assert (reply.status, reply.reason, reply.body) == (503, "Busy", b"sorry")
    assert reply.header("X-First") is None, "headers of the replaced reply must go"
    assert reply.header("Content-Type") == "text/html"


def test_the_reason_phrase_is_the_applications(serve: Serve) -> None:
    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 Most certainly", [("Content-Length", "0")])
        return []

    assert serve(app).ask().reason == "Most certainly"


@pytest.mark.parametrize(
    "status", ["299 Odd", "404 Not Found", "418 I'm a teapot", "599 Far out", "999 Far off"]
)
def test_any_final_status(serve: Serve, status: str) -> None:
    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, PLAIN)
        return [b"x"]

    reply = serve(app).ask()
    assert f"{reply.status} {reply.reason}" == status


def test_never_called(serve: Serve, logs: LogCatcher) -> None:
    def app(_environ: Environ, _start_response: StartResponse) -> Iterable[bytes]:
        return [b"data without a head"]

    reply = serve(app).ask()
    assert reply.status == 500
    assert b"data without" not in reply.body
    logs.wait_for("start_response")


def test_never_called_and_nothing_returned(serve: Serve, logs: LogCatcher) -> None:
    def app(_environ: Environ, _start_response: StartResponse) -> Iterable[bytes]:
        return []

    assert serve(app).ask().status == 500
    logs.wait_for("start_response")


def test_twice_without_exc_info(serve: Serve, logs: LogCatcher) -> None:
    """PEP 3333 calls it a fatal error; it is raised inside the application."""
    caught: list[BaseException] = []

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)
        try:
            start_response("200 OK", PLAIN)
        except BaseException as error:
            caught.append(error)
            raise
        return [b"never"]

    assert serve(app).ask().status == 500
    assert len(caught) == 1
    logs.wait_for("start_response")


def test_exc_info_before_the_head_was_sent(serve: Serve) -> None:
    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Set-Cookie", "old=1")])
        try:
            raise ValueError
        except ValueError:
            start_response("500 Mine", [("Content-Type", "text/html")], current_exc_info())
        return [b"own error page"]

    reply = serve(app).ask()
    assert (reply.status, reply.reason, reply.body) == (500, "Mine", b"own error page")
    assert reply.header("Set-Cookie") is None
    assert reply.all("Content-Type") == ["text/html"]


@headwaiter_only("it keeps the old length")
def test_a_replaced_content_length_goes_too(serve: Serve) -> None:
    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "1000")])
        try:
            raise ValueError
        except ValueError:
            start_response("500 Mine", [("Content-Type", "text/html")], current_exc_info())
        return [b"abc"]

    server = serve(app)
    with server.connect() as client:
        assert client.ask().body == b"abc"


def test_exc_info_after_the_head_was_sent(serve: Serve, logs: LogCatcher) -> None:
    """The exception must be raised again, and the client must see that the reply is not whole."""
    caught: list[BaseException] = []

    def app(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", "1000")])
        yield b"begun"
        try:
            raise KeyError("broken in the middle")
        except KeyError:
            try:
                start_response("500 Mine", PLAIN, current_exc_info())
            except BaseException as error:
                caught.append(error)
                raise
        yield b"never"

    server = serve(app)
    with server.connect() as client:
        client.request("/")
        reply = client.head()
        assert reply.status == 200
        assert client.expect_cut() == b"begun"
    logs.wait_for("broken in the middle")
    assert [type(error) for error in caught] == [KeyError]


@headwaiter_only("it sends the reply that was taken back")
def test_write_after_a_second_start_response_that_failed(serve: Serve, logs: LogCatcher) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", PLAIN)
        try:
            raise ValueError("mine")
        except ValueError:
            with pytest.raises(ValueError, match="status"):
                start_response("500 in\ntwo lines", PLAIN, current_exc_info())
        write(b"of no head")
        return []

    assert serve(app).ask().status == 500
    logs.wait_for("start_response was not called before the body")


def test_exc_info_as_the_first_call(serve: Serve) -> None:
    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            raise ValueError
        except ValueError:
            start_response("500 First", PLAIN, current_exc_info())
        return [b"x"]

    assert serve(app).ask().reason == "First"


def test_exc_info_of_none_is_no_exc_info(serve: Serve, logs: LogCatcher) -> None:
    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", PLAIN, None)
        return [b"x"]

    assert serve(app).ask().status == 200


def test_exc_info_by_keyword(serve: Serve) -> None:
    """PEP 3333 asks applications for positional arguments; many give this one by name."""

    def app(_environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", PLAIN, exc_info=None)
        return [b"x"]

    assert serve(app).ask().status == 200


def test_write_alone(serve: Serve) -> None:
    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", PLAIN)
        write(b"one ")
        write(b"")
        write(b"two ")
        return []

    assert serve(app).ask().body == b"one two "


def test_write_then_iterable(serve: Serve) -> None:
    """PEP 3333: what was written comes before what is returned."""

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Length", "9")])
        write(b"one")
        return [b"two", b"six"]

    server = serve(app)
    with server.connect() as client:
        assert client.ask().body == b"onetwosix"
        assert client.ask().body == b"onetwosix"


def test_write_then_a_list_of_one_is_not_its_length(serve: Serve) -> None:
    """The length of a one-item list describes the whole body only if nothing was written."""

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)(b"written ")
        return [b"and returned"]

    assert serve(app).ask().body == b"written and returned"


def test_write_from_inside_the_iteration(serve: Serve) -> None:
    def app(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        write = start_response("200 OK", PLAIN)
        write(b"1")
        yield b"2"
        write(b"3")
        yield b"4"

    assert serve(app).ask().body == b"1234"


@headwaiter_only("the head is gone before it looks at the data")
@pytest.mark.parametrize("data", ["text", 1, None, [b"x"]], ids=repr)
def test_write_of_something_else(serve: Serve, data: Any, logs: LogCatcher) -> None:
    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)(data)
        return [b"x"]

    server = serve(app)
    with server.connect() as client:
        client.request()
        assert client.reply().status == 500
    logs.wait_for("bytes", logging.ERROR)


@pytest.mark.filterwarnings("ignore:send_bytes:DeprecationWarning")
def test_a_written_chunk_leaves_at_once(serve: Serve) -> None:
    release = threading.Event()

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Length", "10")])
        write(b"first")
        assert release.wait(20), "the first chunk never reached the client"
        write(b"later")
        return []

    server = serve(app, **FLUSH_AT_ONCE)
    with server.connect() as client:
        client.request()
        client.head()
        assert client.receive(5) == b"first"
        release.set()
        assert client.receive(5) == b"later"


@headwaiter_only("its threads have no watermark of their own")
def test_a_reply_that_another_thread_holds_when_the_view_returns(serve: Serve) -> None:
    """The worker waits for it: lost with the view, its client would never see the end."""
    block, accepted = bytes(1 << 16), 0
    returned, ended = threading.Event(), threading.Event()

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", PLAIN)

        def hold() -> None:
            nonlocal accepted
            while True:
                try:
                    write(block)
                    accepted += 1
                except RuntimeError:
                    if returned.is_set():
                        return ended.set()

        write(b"")
        threading.Thread(target=hold, daemon=True).start()
        try:
            while True:  # until the other thread waits, with the reply, for the client to read
                write(b"")
        except RuntimeError:
            returned.set()
            return []

    server = serve(app, threads=1, outbuf_overflow=1 << 17, outbuf_high_watermark=1 << 20)
    with server.connect() as client:
        client.request()
        reply = client.reply()
        assert ended.wait(TIMEOUT)
        assert reply.body == block * accepted
        client.expect_open()


def test_the_headers_list_is_read_when_given(serve: Serve) -> None:
    """Headers that the application changes in its own list later must not corrupt the reply."""

    def app(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        headers = [("Content-Type", "text/plain"), ("X-A", "1")]
        start_response("200 OK", headers)
        yield b"data"
        headers.append(("X-B", "2"))
        yield b"more"

    reply = serve(app).ask()
    assert reply.body == b"datamore"
    assert reply.header("X-A") == "1"
    assert reply.header("X-B") is None

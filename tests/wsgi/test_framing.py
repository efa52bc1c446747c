"""Length, keep-alive and bodies that do not fit what was announced (RFC 9110, RFC 9112)."""

from __future__ import annotations

import datetime as dt
import email.utils
import logging
from collections.abc import Iterable, Iterator

import pytest

from tests.conftest import Serve
from tests.support.http import render
from tests.support.live import LogCatcher
from tests.support.target import headwaiter_only
from tests.support.wsgi import App, Environ, StartResponse

PLAIN = ("Content-Type", "text/plain")
BODIES = {"short": b"123", "exact": b"12345", "long": b"1234567", "none": b""}


def fixed(status: str, length: int | None, body: bytes, generator: bool) -> App:
    """Replies with ``body`` under an announced ``length``; any other path is a good reply."""

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "OPTIONS":
            start_response("200 OK", [("Content-Length", "0")])
            return []
        start_response(status, [PLAIN] + ([("Content-Length", str(length))] if length else []))
        if generator:
            return (body[n : n + 1] for n in range(len(body)))
        return [body]

    return app


@pytest.mark.parametrize("generator", [False, True], ids=["list", "generator"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("body", ["exact", "long"])
def test_no_more_than_the_length_is_sent(
    serve: Serve, logs: LogCatcher, body: str, version: str, generator: bool
) -> None:
    server = serve(fixed("200 OK", 5, BODIES[body], generator))
    with server.connect() as client:
        reply = client.ask(version=version)
        assert reply.body == b"12345"
        if version == "1.0" or reply.closing:
            client.expect_closed()
        else:
            client.expect_open()
    if body == "long":
        logs.wait_for("Content-Length", logging.WARNING)
        server.close()
        assert len(logs.matching(lambda r: r.levelno == logging.WARNING)) == 1, "warned once"


@pytest.mark.parametrize("generator", [False, True], ids=["list", "generator"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("body", ["short", "none"])
def test_missing_bytes_close_the_connection(
    serve: Serve, logs: LogCatcher, body: str, version: str, generator: bool
) -> None:
    """On a kept connection the client would take the next reply for the missing bytes."""
    server = serve(fixed("200 OK", 5, BODIES[body], generator))
    with server.connect() as client:
        client.request(version=version)
        head = client.head()
        if head.status == 200:
            assert head.header("Content-Length") == "5"
            assert client.expect_cut() == BODIES[body]
        else:  # nothing was sent yet, so an honest error is possible too
            assert head.status == 500
    logs.wait_for("Content-Length", logging.WARNING)
    assert server.ask(method="OPTIONS").status == 200


@headwaiter_only("it sends what the application returns, and closes after 304")
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("length", [None, 5])
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(
    ("method", "status"),
    [("HEAD", "200 OK"), ("HEAD", "404 Not Found"), ("GET", "304 Not Modified")],
)
def test_no_body_is_sent(
    serve: Serve, method: str, status: str, body: str, length: int | None, version: str
) -> None:
    """HEAD and 304 have no body whatever the application returns; a length is passed on."""
    server = serve(fixed(status, length, BODIES[body], generator=True))
    with server.connect() as client:
        headers = [("Connection", "keep-alive")]
        reply = client.ask(method=method, version=version, headers=headers)
        assert f"{reply.status} {reply.reason}" == status
        if length:
            assert reply.header("Content-Length") == "5"
        kept = (reply.header("Connection") or "").lower() == "keep-alive"
        if reply.closing or (version == "1.0" and not kept):
            assert version == "1.0", "nothing is missing: the connection can stay"
            client.expect_closed()
        else:
            client.expect_open()


@headwaiter_only("it sends the application's Content-Length with 204")
@pytest.mark.parametrize("length", [None, 5])
@pytest.mark.parametrize("body", BODIES)
def test_204_has_neither_body_nor_length(serve: Serve, body: str, length: int | None) -> None:
    server = serve(fixed("204 No Content", length, BODIES[body], generator=True))
    with server.connect() as client:
        reply = client.ask()
        assert (reply.status, reply.header("Content-Length")) == (204, None)
        client.expect_open()


@headwaiter_only("it sends what the application returns")
def test_head_of_a_chunked_reply(serve: Serve) -> None:
    """The head of HEAD is that of GET; no zero chunk may follow it."""

    def app(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [PLAIN])
        yield b"one"
        yield b"two"

    server = serve(app)
    with server.connect() as client:
        assert client.ask(method="HEAD").body == b""
        assert client.ask(method="GET").body == b"onetwo"


KEEP_ALIVE = [
    # version, Connection, whether the connection stays
    ("1.1", None, True),
    ("1.1", "keep-alive", True),
    ("1.1", "close", False),
    ("1.1", "Close", False),
    ("1.0", None, False),
    ("1.0", "keep-alive", True),
    ("1.0", "Keep-Alive", True),
    ("1.0", "close", False),
]


@pytest.mark.parametrize(("version", "connection", "stays"), KEEP_ALIVE)
def test_keep_alive(serve: Serve, version: str, connection: str | None, stays: bool) -> None:
    server = serve(fixed("200 OK", 5, b"12345", generator=False))
    headers = [("Connection", connection)] if connection else []
    with server.connect() as client:
        reply = client.ask(version=version, headers=headers)
        if stays:
            assert not reply.closing
            if version == "1.0":
                # Clients of that age look for these very bytes (RFC 2068 section 19.7.1).
                assert reply.header("Connection") == "Keep-Alive"
            client.expect_open()
        else:
            assert reply.closing
            client.expect_closed()


@headwaiter_only("it compares the whole field")
@pytest.mark.parametrize("value", ["close, x", "x, close", "keep-alive, close", "CLOSE ,TE"])
def test_connection_is_a_list(serve: Serve, value: str) -> None:
    server = serve(fixed("200 OK", 5, b"12345", generator=False))
    with server.connect() as client:
        assert client.ask(headers=[("Connection", value)]).closing
        client.expect_closed()


def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["PATH_INFO"].encode() + b" " + environ["wsgi.input"].read()
        start_response("200 OK", [PLAIN, ("Content-Length", str(len(body)))])
        return [body]

    server = serve(app)
    count = 200
    with server.connect() as client:
        client.send(b"".join(render(f"/{n}", "POST", body=b"%d" % n) for n in range(count)))
        for n in range(count):
            assert client.reply().body == b"/%d %d" % (n, n)


@headwaiter_only("it closes after 204, and sends a body after HEAD")
def test_pipelined_mixture(serve: Serve) -> None:
    """HEAD, empty, chunked and sized replies one behind the other."""

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/empty":
            start_response("204 No Content", [])
            return []
        if environ["PATH_INFO"] == "/chunked":
            start_response("200 OK", [PLAIN])
            return iter([b"a", b"b"])
        start_response("200 OK", [PLAIN, ("Content-Length", "4")])
        return [b"size"]

    server = serve(app)
    script = [
        ("GET", "/sized", b"size"),
        ("HEAD", "/sized", b""),
        ("GET", "/empty", b""),
        ("GET", "/chunked", b"ab"),
        ("HEAD", "/chunked", b""),
        ("GET", "/sized", b"size"),
    ]
    with server.connect() as client:
        client.send(b"".join(render(target, method) for method, target, _ in script * 5))
        for method, _, body in script * 5:
            assert client.reply(method).body == body


def test_the_connection_serves_on_after_an_error_page(serve: Serve) -> None:
    server = serve(fixed("500 Mine", 5, b"12345", generator=False))
    with server.connect() as client:
        assert client.ask().status == 500
        client.expect_open()


def test_every_reply_has_one_date_and_server(serve: Serve) -> None:
    server = serve(fixed("200 OK", 5, b"12345", generator=False))
    for method in ("GET", "HEAD", "OPTIONS"):
        reply = server.ask(method=method)
        date = email.utils.parsedate_to_datetime(reply.header("Date") or "")
        assert date.utcoffset() == dt.timedelta(0)
        assert reply.header("Server")

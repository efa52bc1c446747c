"""Headers and statuses that an application may not send, and those that the server adds."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import pytest

from tests.conftest import Serve
from tests.support.http import render
from tests.support.live import LogCatcher
from tests.support.process import start_server
from tests.support.target import headwaiter_only
from tests.support.wsgi import App, Environ, StartResponse


def answering(status: Any, headers: Any) -> App:
    """An application that gives ``status`` and ``headers``; OPTIONS is always answered well."""

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "OPTIONS":
            start_response("200 OK", [("Content-Length", "0")])
            return []
        start_response(status, headers)
        return [b"body"]

    return app


def check_refused(serve: Serve, logs: LogCatcher, status: Any, headers: Any) -> None:
    """A 500 that holds nothing of it, one error in the log, and the server goes on."""
    server = serve(answering(status, headers))
    with server.connect() as client:
        client.request()
        reply = client.reply()
        assert reply.status == 500
        assert b"injected" not in reply.body
        assert "injected" not in str(reply.headers)
        if reply.closing:
            client.expect_closed()
    logs.wait_for("", logging.ERROR)
    assert server.ask(method="OPTIONS").status == 200


STATUSES: list[Any] = [
    "200 OK\r\nX-Injected: injected",
    "200 OK\nX-Injected: injected",
    "200 OK\rX-Injected: injected",
]
STRICT_STATUSES: list[Any] = [
    "200 OK\0",
    "200 \x7f",
    "",
    "OK",
    "20 OK",
    "2000 OK",
    "2x0 OK",
    "099 Low",
    "101 Switching Protocols",  # the connection is not the application's to take
    "100 Continue",
    "+20 OK",
    "\u0662\u0660\u0660 OK",
    "200 \u20ac",
    " 200 OK",
]
TYPES: list[Any] = [200, b"200 OK", None, ("200", "OK")]


@pytest.mark.parametrize("status", STATUSES + TYPES, ids=repr)
def test_status_refused(serve: Serve, logs: LogCatcher, status: Any) -> None:
    check_refused(serve, logs, status, [("Content-Type", "text/plain")])


@headwaiter_only("it sends them")
@pytest.mark.parametrize("status", STRICT_STATUSES, ids=ascii)
def test_malformed_status_refused(serve: Serve, logs: LogCatcher, status: Any) -> None:
    check_refused(serve, logs, status, [("Content-Type", "text/plain")])


BARE = pytest.param("200", marks=headwaiter_only("the space of RFC 9112 section 4 is missing"))


@pytest.mark.parametrize("status", ["200 OK", "200 ", BARE, "200 Caf\xe9", "200 O K"])
def test_status_accepted(serve: Serve, status: str) -> None:
    reply = serve(answering(status, [("Content-Type", "text/plain")])).ask()
    assert reply.status == 200
    assert reply.reason == status[4:]


INJECTIONS: list[tuple[Any, Any]] = [
    ("X-A", "v\r\nX-Injected: injected"),
    ("X-A", "v\nX-Injected: injected"),
    ("X-A", "v\rX-Injected: injected"),
    ("X-A", "v\r\n\r\ninjected"),
    ("X-A\r\nX-Injected", "injected"),
    ("X-A\nX-Injected", "injected"),
]
MALFORMED = [
    ("X-A", "injected\0"),
    ("X-A\0", "injected"),
    ("X-A", "injected\x01"),
    ("X-A", "injected\x7f"),
    ("X A", "injected"),
    ("X-A ", "injected"),
    (" X-A", "injected"),
    ("X-A:", "injected"),
    ("", "injected"),
    ("X-\xe9", "injected"),
    ("X-A", "injected \u20ac"),
    ("X-\u20ac", "injected"),
]
WRONG_TYPES: list[tuple[Any, Any]] = [
    ("X-A", 5),
    ("X-A", None),
    ("X-A", b"injected"),
    (b"X-A", "injected"),
    (7, "injected"),
]


@pytest.mark.parametrize("field", INJECTIONS + WRONG_TYPES, ids=repr)
def test_header_refused(serve: Serve, logs: LogCatcher, field: Any) -> None:
    check_refused(serve, logs, "200 OK", [("Content-Type", "text/plain"), field])


@headwaiter_only("it sends them")
@pytest.mark.parametrize("field", MALFORMED, ids=ascii)
def test_malformed_header_refused(serve: Serve, logs: LogCatcher, field: Any) -> None:
    check_refused(serve, logs, "200 OK", [("Content-Type", "text/plain"), field])


@pytest.mark.parametrize(
    "name",
    [
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Trailers",
        "Transfer-Encoding",
        "Upgrade",
        "transfer-encoding",
    ],
)
def test_hop_by_hop_headers_refused(serve: Serve, logs: LogCatcher, name: str) -> None:
    check_refused(serve, logs, "200 OK", [("Content-Type", "text/plain"), (name, "injected")])


LASTING = [
    ("Connection", "keep-alive"),
    ("CONNECTION", "Keep-Alive"),
    ("Connection", "x-mine"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Connection", "keep-alive"),
]


@headwaiter_only("a 500")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("field", LASTING, ids=repr)
def test_how_long_a_connection_lasts_is_not_the_applications(
    serve: Serve, field: tuple[str, str], version: str
) -> None:
    """Recipes for server-sent events set it; it is dropped, and the reply is as without it."""
    server = serve(answering("200 OK", [("Content-Type", "text/plain"), field]))
    with server.connect() as client:
        reply = client.ask(version=version)
        assert (reply.status, reply.body) == (200, b"body")
        for name in ("Connection", "Keep-Alive", "Proxy-Connection"):
            assert reply.header(name) == (
                "close" if (name, version) == ("Connection", "1.0") else None
            )
        if version == "1.1":
            client.expect_open()


@headwaiter_only("a 500")
@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("value", ["close", "Close", "keep-alive, close"])
def test_an_application_may_close_the_connection(serve: Serve, value: str, pieces: int) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Connection", value)])
        return iter([b"body"] * pieces) if pieces > 1 else [b"body"]

    with serve(app).connect() as client:
        client.send(render() + render("/behind"))  # a pipelined request is not served any more
        reply = client.reply()
        assert (reply.body, reply.closing) == (b"body" * pieces, True)
        assert client.expect_cut() == b""


@headwaiter_only("a 500")
def test_a_dropped_field_is_one_warning_per_process() -> None:
    with start_server("tests.support.apps:lasting") as server:
        for _ in range(3):
            assert server.ask("/events").status == 200
        server.stop()
        assert server.log.count("Connection: keep-alive") == 1
        assert "WARNING headwaiter: /events: Connection: keep-alive of the app" in server.log
        assert "Keep-Alive: timeout" not in server.log


LISTS: list[Any] = [
    None,
    5,
    "X-A: 1",
    [("X-A",)],
    [("X-A", "1", "2")],
    ["X-A: 1"],
    [5],
]


@pytest.mark.parametrize("headers", LISTS, ids=repr)
def test_header_lists_refused(serve: Serve, logs: LogCatcher, headers: Any) -> None:
    check_refused(serve, logs, "200 OK", headers)


@headwaiter_only("int() takes some of them")
@pytest.mark.parametrize("length", ["-1", "+5", "5_0", "abc", "", "5, 5", "\u0665", "9" * 30])
def test_malformed_content_length_refused(serve: Serve, logs: LogCatcher, length: str) -> None:
    check_refused(serve, logs, "200 OK", [("Content-Length", length)])


@headwaiter_only("it sends both")
def test_two_content_lengths_refused(serve: Serve, logs: LogCatcher) -> None:
    check_refused(serve, logs, "200 OK", [("Content-Length", "4"), ("content-length", "5")])


def test_headers_arrive_in_order_and_unchanged(serve: Serve) -> None:
    fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Set-Cookie", "a=1; Path=/"),
        ("Set-Cookie", "b=2"),
        ("X-Empty", ""),
        ("X-Latin", "caf\xe9"),
        ("X-Tab", "a\tb"),
        ("x-lower", "kept?"),
        ("ETag", '"x,y"'),
    ]
    reply = serve(answering("200 OK", fields)).ask()
    assert reply.all("Set-Cookie") == ["a=1; Path=/", "b=2"]
    for name, value in fields:
        assert value in reply.all(name)


def test_two_hundred_headers(serve: Serve) -> None:
    fields = [(f"X-{n}", "v" * n) for n in range(200)]
    reply = serve(answering("200 OK", fields)).ask()
    assert [reply.header(name) for name, _ in fields] == [value for _, value in fields]


@headwaiter_only("it copies an iterator that is already used up")
def test_other_sequences_of_pairs_work_or_are_refused(serve: Serve) -> None:
    """PEP 3333 asks for a list of tuples; whatever is done with others must be clean."""
    for headers in ((("X-A", "1"),), [["X-A", "1"]], iter([("X-A", "1")]), {"X-A": "1"}.items()):
        server = serve(answering("200 OK", headers))
        reply = server.ask()
        assert (reply.status, reply.header("X-A")) in ((200, "1"), (500, None))


def test_server_is_the_ident(serve: Serve) -> None:
    assert serve(answering("200 OK", []), ident="thing/1").ask().header("Server") == "thing/1"


def test_no_ident_no_server(serve: Serve) -> None:
    reply = serve(answering("200 OK", []), ident="").ask()
    assert reply.header("Server") is None


@headwaiter_only("its ident goes into Via, which is for intermediaries")
def test_server_of_the_application_stays_alone(serve: Serve) -> None:
    reply = serve(answering("200 OK", [("Server", "mine")]), ident="thing").ask()
    assert reply.all("Server") == ["mine"]
    assert reply.header("Via") is None


def test_date_of_the_application_stays_alone(serve: Serve) -> None:
    date = "Thu, 01 Jan 1970 00:00:00 GMT"
    assert serve(answering("200 OK", [("Date", date)])).ask().all("Date") == [date]

"""``wsgiref.validate`` around applications that use every feature, over live sockets.

The validator stands between the server and the application and asserts whatever PEP 3333 asks of
either side. A complaint would be raised on the worker: a 500 and an error in the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest

from tests.conftest import Serve
from tests.support.http import chunked, render
from tests.support.live import LogCatcher
from tests.support.target import IS_WAITRESS
from tests.support.wsgi import App, Environ, StartResponse, current_exc_info

PLAIN = [("Content-Type", "text/plain")]


def a_list(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*PLAIN, ("Content-Length", "6")])
    return [b"one", b"two"]


def a_generator(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", list(PLAIN))
    return (chunk for chunk in (b"", b"one", b"", b"two"))


def late(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", list(PLAIN))
    yield b"one"
    yield b"two"


def writes(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    write = start_response("200 OK", list(PLAIN))
    write(b"one")
    write(b"two")
    return []


def replaced(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", list(PLAIN))
    try:
        raise ValueError
    except ValueError:
        start_response("200 Again", list(PLAIN), current_exc_info())
    return [b"onetwo"]


def reads(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    body = environ["wsgi.input"]
    parts = [body.read(1), body.readline(), body.readline(2), *body.readlines(), *iter(body)]
    start_response("200 OK", [*PLAIN, ("Content-Length", str(len(b"".join(parts))))])
    return [b"".join(parts)]


def errors(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    environ["wsgi.errors"].write("written\n")
    environ["wsgi.errors"].writelines(["one\n", "two\n"])
    environ["wsgi.errors"].flush()
    start_response("200 OK", list(PLAIN))
    return [b"onetwo"]


def no_content(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("204 No Content", [])
    return []


def not_modified(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("304 Not Modified", [("ETag", '"x"')])
    return []


APPS: dict[str, tuple[App, bytes]] = {
    "list": (a_list, b"onetwo"),
    "generator": (a_generator, b"onetwo"),
    "late": (late, b"onetwo"),
    "write": (writes, b"onetwo"),
    "exc_info": (replaced, b"onetwo"),
    "errors": (errors, b"onetwo"),
    "204": (no_content, b""),
    "304": (not_modified, b""),
}


def checked(app: Any) -> App:
    """``app`` behind the validator."""
    wrapped: App = validator(app)
    return wrapped


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PATCH"])
@pytest.mark.parametrize("name", APPS)
def test_no_complaint(serve: Serve, logs: LogCatcher, name: str, method: str, version: str) -> None:
    app, body = APPS[name]
    server = serve(checked(app))
    raw = b"" if method in ("GET", "HEAD", "OPTIONS") else b"the body"
    with server.connect() as client:
        for _ in range(2):
            headers = [("Connection", "keep-alive")]
            client.request("/a/b%20c?d=e", method, headers, raw or None, version)
            if IS_WAITRESS and method == "HEAD":
                break  # it sends a body
            reply = client.reply(method)
            assert reply.status in (200, 204, 304), reply.text
            assert reply.body == (b"" if method == "HEAD" else body)
            if IS_WAITRESS or reply.framing == "close":
                break
    server.close()
    assert logs.errors() == []


TARGETS = ["/", "//x", "/%C3%A9", "/a;b?c=d&e=%20", "/?", "http://example.com/x", "/p", "/p/"]


@pytest.mark.parametrize("settings", [{}, {"url_prefix": "/p"}, {"url_scheme": "https"}], ids=str)
def test_no_complaint_about_any_environ(
    serve: Serve, logs: LogCatcher, settings: dict[str, Any]
) -> None:
    server = serve(checked(a_list), **settings)
    for target in TARGETS:
        assert server.ask(target).status == 200, target
        assert server.ask(target, version="1.0").status == 200, target
    assert IS_WAITRESS or server.ask("*", "OPTIONS").status == 200
    server.close()
    assert logs.errors() == []


@pytest.mark.parametrize("settings", [{}, {"inbuf_overflow": 4}], ids=["memory", "file"])
def test_no_complaint_about_the_body(
    serve: Serve, logs: LogCatcher, settings: dict[str, Any]
) -> None:
    server = serve(checked(reads), **settings)
    body = b"first line\nsecond\nthird\n\nlast"
    with server.connect() as client:
        client.send(render("/", "POST", body=body))
        assert client.reply().body == body
        client.send(
            render("/", "POST", [("Transfer-Encoding", "chunked")], chunked(body[:9], body[9:]))
        )
        assert client.reply().body == body
        client.send(render("/", "POST", body=b""))
        assert client.reply().body == b""
    server.close()
    assert logs.errors() == []


def test_no_complaint_about_the_file_wrapper(
    serve: Serve, logs: LogCatcher, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 10000)

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "100000")])
        wrapper: Iterable[bytes] = environ["wsgi.file_wrapper"](path.open("rb"))
        return wrapper

    server = serve(checked(app))
    assert server.ask().body == path.read_bytes()
    server.close()
    assert logs.errors() == []

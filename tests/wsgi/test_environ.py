"""The environ that PEP 3333 asks for, value by value.

``test_environ_parity.py`` holds the same environ against Waitress.
"""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from collections.abc import Iterable
from http.cookies import SimpleCookie
from typing import Any

import pytest

from tests.conftest import Serve
from tests.support.http import Client, chunked, render
from tests.support.live import LiveServer, LogCatcher
from tests.support.target import IS_WAITRESS, headwaiter_only
from tests.support.waiting import eventually
from tests.support.wsgi import Environ, StartResponse


class Recorder:
    """An application that keeps a copy of every environ it was called with."""

    def __init__(self) -> None:
        self.environs: list[Environ] = []

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        copy = dict(environ)
        copy["body"] = environ["wsgi.input"].read()
        self.environs.append(copy)
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]


def environ_for(serve: Serve, raw: bytes, **settings: Any) -> Environ:
    """What the application sees for the request ``raw``."""
    recorder = Recorder()
    server = serve(recorder, **settings)
    with server.connect() as client:
        client.send(raw)
        method = raw.split(b" ", 1)[0].decode()
        assert client.reply(method).status == 200
    return recorder.environs[0]


def test_required_keys(serve: Serve) -> None:
    environ = environ_for(serve, render("/a/b?c=d"))
    assert type(environ) is dict
    expected = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a/b",
        "QUERY_STRING": "c=d",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_URI": "/a/b?c=d",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_HOST": "127.0.0.1",
        "HTTP_HOST": "example.com",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    assert {key: environ.get(key) for key in expected} == expected
    assert environ["REMOTE_PORT"].isdigit()
    assert environ["SERVER_PORT"].isdigit()
    assert callable(environ["wsgi.file_wrapper"])
    for method in ("write", "writelines", "flush"):
        assert callable(getattr(environ["wsgi.errors"], method))


def test_cgi_values_are_native_strings(serve: Serve) -> None:
    environ = environ_for(serve, render("/x", "POST", [("X-A", "1")], b"body"))
    wrong = {k: v for k, v in environ.items() if k.isupper() and type(v) is not str}
    assert wrong == {}


def test_no_body_means_no_length_or_zero(serve: Serve) -> None:
    environ = environ_for(serve, render("/"))
    assert environ.get("CONTENT_LENGTH", "") in ("", "0")
    assert environ["body"] == b""


def test_content_type_and_length_lose_their_prefix(serve: Serve) -> None:
    environ = environ_for(serve, render("/", "POST", [("Content-Type", "a/b; c=d")], b"12345"))
    assert environ["CONTENT_TYPE"] == "a/b; c=d"
    assert environ["CONTENT_LENGTH"] == "5"
    assert "HTTP_CONTENT_TYPE" not in environ
    assert "HTTP_CONTENT_LENGTH" not in environ


def test_chunked_body_arrives_whole_with_its_length(serve: Serve) -> None:
    """An application that reads CONTENT_LENGTH bytes must get a chunked body too."""
    raw = render("/", "POST", [("Transfer-Encoding", "chunked")], chunked(b"hello ", b"world"))
    environ = environ_for(serve, raw)
    assert environ["body"] == b"hello world"
    assert environ["CONTENT_LENGTH"] == "11"
    assert "HTTP_TRANSFER_ENCODING" not in environ


TARGETS = [
    # target, SCRIPT_NAME is always "", PATH_INFO, QUERY_STRING
    ("/", "/", ""),
    ("/?", "/", ""),
    ("/a?b=c?d", "/a", "b=c?d"),
    ("/a;p=1/b;q", "/a;p=1/b;q", ""),
    ("//a//b", "/a//b", ""),  # neither an authority nor, joined to a URL, another host
    ("/a%2Fb", "/a/b", ""),
    ("/%C3%A9", "/\xc3\xa9", ""),  # UTF-8 bytes as latin-1 code points (PEP 3333)
    ("/?q=%C3%A9", "/", "q=%C3%A9"),  # the query string stays encoded
    ("/%zz%2", "/%zz%2", ""),
    ("/a+b", "/a+b", ""),
    ("/../a/./b", "/../a/./b", ""),
    ("http://example.com/abs?x=y", "/abs", "x=y"),
    ("http://example.com?x=y", "", "x=y"),
]


@pytest.mark.parametrize(("target", "path", "query"), TARGETS, ids=[row[0] for row in TARGETS])
def test_target(serve: Serve, target: str, path: str, query: str) -> None:
    environ = environ_for(serve, render(target))
    # an absolute-form target without a path is "/" to RFC 9110 section 4.2.3
    assert environ["PATH_INFO"] == path or (path == "" and environ["PATH_INFO"] == "/")
    assert (environ["SCRIPT_NAME"], environ["QUERY_STRING"]) == ("", query)
    if not IS_WAITRESS:
        assert environ["RAW_URI"] == target


@headwaiter_only("it has REQUEST_URI alone, rebuilt from its parts")
@pytest.mark.parametrize(
    "target", ["//a/%2F?x=%41", "/%7euser", "/a?", "/é".encode().decode("latin-1")]
)
def test_raw_uri_is_byte_exact(serve: Serve, target: str) -> None:
    recorder = Recorder()
    server = serve(recorder)
    with server.connect() as client:
        reply = client.ask(target)
    if reply.status == 400:  # raw bytes above 0x7f are no URI; refusing them is right too
        assert not target.isascii()
        assert recorder.environs == []
        return
    assert recorder.environs[0]["RAW_URI"] == target


def test_options_asterisk(serve: Serve) -> None:
    environ = environ_for(serve, render("*", "OPTIONS"))
    assert environ["PATH_INFO"] in ("*", "")
    assert environ["REQUEST_METHOD"] == "OPTIONS"


def test_headers(serve: Serve) -> None:
    fields = [
        ("X-One", "1"),
        ("x-two-words", "a  b"),
        ("X-Empty", ""),
        ("X-Latin", "caf\xe9"),
        ("X-Padded", " \t both ends \t "),
        ("X-Twice", "a"),
        ("X-Twice", "b"),
        ("Authorization", "Basic Zm9vOmJhcg=="),
        ("X-Digits-123", "n"),
    ]
    environ = environ_for(serve, render("/", headers=fields))
    assert environ["HTTP_X_ONE"] == "1"
    assert environ["HTTP_X_TWO_WORDS"] == "a  b"
    assert environ["HTTP_X_EMPTY"] == ""
    assert environ["HTTP_X_LATIN"] == "caf\xe9"
    assert environ["HTTP_X_PADDED"] == "both ends"
    assert environ["HTTP_X_TWICE"] == "a, b"
    assert environ["HTTP_AUTHORIZATION"] == "Basic Zm9vOmJhcg=="
    assert environ["HTTP_X_DIGITS_123"] == "n"


@pytest.mark.parametrize("name", ["X_Auth", "x_auth", "X_-Auth", "_X", "Content_Length"])
def test_underscore_names_never_arrive(serve: Serve, name: str) -> None:
    """``X_Auth`` would become the same key as ``X-Auth`` and pass for it."""
    environ = environ_for(serve, render("/", headers=[("X-Auth", "right"), (name, "spoofed")]))
    assert environ["HTTP_X_AUTH"] == "right"
    assert "spoofed" not in environ.values()


@headwaiter_only("joined by a comma, which is part of the first cookie's value")
def test_cookies_in_two_fields_are_still_cookies(serve: Serve) -> None:
    environ = environ_for(serve, render("/", headers=[("Cookie", "a=1"), ("Cookie", "b=2")]))
    jar = SimpleCookie(environ["HTTP_COOKIE"])
    assert {name: jar[name].value for name in jar} == {"a": "1", "b": "2"}


def test_http_1_0(serve: Serve) -> None:
    environ = environ_for(serve, b"GET /old HTTP/1.0\r\n\r\n")
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.0"
    assert "HTTP_HOST" not in environ
    assert environ["SERVER_NAME"]  # PEP 3333: never empty


@headwaiter_only("Host wins there")
def test_absolute_form_beats_host(serve: Serve) -> None:
    """RFC 9112 section 3.2.2."""
    environ = environ_for(serve, render("http://b.example:81/", headers=[("Host", "a.example")]))
    assert environ["HTTP_HOST"] == "b.example:81"
    assert "a.example" not in str(environ)


def test_the_process_environment_stays_out(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_HOST", "evil")
    monkeypatch.setenv("REQUEST_METHOD", "EVIL")
    monkeypatch.setenv("HTTP_X_EVIL", "evil")
    environ = environ_for(serve, render("/"))
    assert environ["HTTP_HOST"] == "example.com"
    assert environ["REQUEST_METHOD"] == "GET"
    assert "HTTP_X_EVIL" not in environ


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_methods(serve: Serve, method: str) -> None:
    environ = environ_for(serve, render("/", method, body=b"x"))
    assert environ["REQUEST_METHOD"] == method
    assert environ["body"] == b"x"


def test_each_request_has_an_environ_of_its_own(serve: Serve) -> None:
    """What an application leaves in its environ, another request must not find."""
    seen: list[Environ] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ)
        assert "app.mark" not in environ
        assert environ.get("HTTP_X_ONCE") == ("1" if environ["PATH_INFO"] == "/first" else None)
        environ["app.mark"] = environ["SERVER_NAME"] = environ["wsgi.url_scheme"] = "changed"
        environ["wsgi.errors"] = None
        start_response("200 OK", [("Content-Length", "0")])
        return []

    server = serve(app)
    with server.connect() as client:
        assert client.ask("/first", headers=[("X-Once", "1")]).status == 200
        assert client.ask("/second").status == 200
    assert len(seen) == 2
    assert seen[0] is not seen[1]


@headwaiter_only("it looks keys up in the environ after the call")
def test_an_application_may_clear_its_environ(serve: Serve) -> None:
    """Middleware does; nothing that the reply needs may live there alone."""

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ.clear()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"still ", b"here"]

    server = serve(app)
    with server.connect() as client:
        assert client.ask().body == b"still here"
        assert client.ask().body == b"still here"


def test_an_environ_may_be_used_after_the_reply(serve: Serve) -> None:
    """Applications keep requests in caches, tracebacks and background threads."""
    recorder = Recorder()
    kept: list[Environ] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        kept.append(environ)
        return recorder(environ, start_response)

    server = serve(app)
    server.ask("/", "POST", body=b"data")
    server.close()
    environ = kept[0]
    environ["wsgi.errors"].write("after the end\n")
    environ["wsgi.errors"].flush()
    with contextlib.suppress(ValueError):  # what a closed file raises
        assert environ["wsgi.input"].read() in (b"", b"data")
    assert environ["waitress.client_disconnected"]() in (True, False)


def test_wsgi_errors_reaches_stderr_or_the_log(
    serve: Serve, capfd: pytest.CaptureFixture[str], logs: LogCatcher
) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        errors = environ["wsgi.errors"]
        errors.write("written \u20ac\n")
        errors.writelines(["line one\n", "line two\n"])
        print("printed", file=errors)
        errors.flush()
        start_response("200 OK", [("Content-Length", "0")])
        return []

    serve(app).ask()
    shown = capfd.readouterr().err + "".join(r.getMessage() for r in logs.records)
    for text in ("written \u20ac", "line one\n", "line two\n", "printed"):
        assert text in shown


def test_server_name_and_port(serve: Serve) -> None:
    """The name comes from the settings, never from the Host header."""
    recorder = Recorder()
    server = serve(recorder, server_name="www.example.org")
    server.ask(headers=[("Host", "elsewhere.example:99")])
    assert recorder.environs[0]["SERVER_NAME"] == "www.example.org"
    assert recorder.environs[0]["SERVER_PORT"] == str(server.address[1])


def test_url_scheme(serve: Serve) -> None:
    assert environ_for(serve, render("/"), url_scheme="https")["wsgi.url_scheme"] == "https"


PREFIXES = [
    # url_prefix, target, SCRIPT_NAME, PATH_INFO
    ("/app", "/app/x", "/app", "/x"),
    ("/app", "/app", "/app", ""),
    ("/app", "/app/", "/app", "/"),
    ("/app", "/apple", "/app", "/apple"),
    ("/app", "/other", "/app", "/other"),
    ("/app", "//app/x", "/app", "/x"),
    ("app/", "/app/x", "/app", "/x"),
    ("/a/b", "/a/b/c", "/a/b", "/c"),
    ("", "/app/x", "", "/app/x"),
    pytest.param(
        *("/", "/app/x", "", "/app/x"),
        marks=headwaiter_only("SCRIPT_NAME becomes '/', which wsgiref.validate refuses"),
    ),
]


@pytest.mark.parametrize(("prefix", "target", "script", "path"), PREFIXES)
def test_url_prefix(serve: Serve, prefix: str, target: str, script: str, path: str) -> None:
    environ = environ_for(serve, render(target), url_prefix=prefix)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script, path)


def test_ident_is_the_server_software(serve: Serve) -> None:
    assert environ_for(serve, render("/"), ident="my ident")["SERVER_SOFTWARE"] == "my ident"


def test_client_disconnected_tells_a_gone_client(serve: Serve) -> None:
    """``waitress.client_disconnected`` turns true while the application runs."""
    running, gone = threading.Event(), threading.Event()
    seen: list[bool] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/probe":
            start_response("200 OK", [("Content-Length", "0")])
            return []
        seen.append(environ["waitress.client_disconnected"]())
        running.set()
        assert gone.wait(20)
        eventually(environ["waitress.client_disconnected"], "the server knows that it left")
        seen.append(environ["waitress.client_disconnected"]())
        start_response("200 OK", [("Content-Length", "0")])
        return []

    # Waitress looks at the socket of a running request only with lookahead
    settings = {"channel_request_lookahead": 1} if IS_WAITRESS else {}
    server = serve(app, **settings)
    client = server.connect()
    client.request("/")
    assert running.wait(20)
    client.reset()
    gone.set()
    server.close()
    assert seen == [False, True]


def test_half_closed_client_is_not_gone(serve: Serve) -> None:
    """A client that will send nothing more still waits for its reply."""
    running, release = threading.Event(), threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        running.set()
        assert release.wait(20)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"whole ", b"reply"]

    server = serve(app)
    with server.connect() as client:
        client.request("/", "POST", body=b"x")
        assert running.wait(20)
        client.half_close()
        release.set()
        assert client.reply().body == b"whole reply"


@headwaiter_only("another name")
def test_client_disconnected_has_the_own_name_too(serve: Serve) -> None:
    environ = environ_for(serve, render("/"))
    assert environ["headwaiter.client_disconnected"]() in (True, False)


def test_body_object_is_binary_and_seekable(serve: Serve) -> None:
    positions: list[Any] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        body.read()
        positions.append(body.tell())
        body.seek(0)
        positions.append(body.read())
        start_response("200 OK", [("Content-Length", "0")])
        return []

    serve(app).ask("/", "POST", body=b"12345")
    assert positions == [5, b"12345"]


def test_environ_works_with_wsgiref_util(serve: Serve) -> None:
    from wsgiref.util import application_uri, request_uri

    environ = environ_for(serve, render("/a%20b?c=d"))
    assert application_uri(environ) == "http://example.com/"
    assert request_uri(environ) == "http://example.com/a%20b?c=d"


def test_environ_values_do_not_leak(serve: Serve) -> None:
    """A thousand requests hold no references to what they were given."""
    counts: list[int] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        counts.append(sys.getrefcount(start_response))
        start_response("200 OK", [("Content-Length", "0")])
        return []

    server: LiveServer = serve(app)
    with Client(server.address) as client:
        for _ in range(50):
            client.ask()
    assert max(counts) == min(counts)


def test_text_wrapper_around_the_body(serve: Serve) -> None:
    """``io.TextIOWrapper`` and ``io.BufferedReader`` are how some applications decode a body."""
    results: list[Any] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        data = io.BytesIO(environ["wsgi.input"].read())
        results.append(io.TextIOWrapper(data, encoding="utf-8").read())
        start_response("200 OK", [("Content-Length", "0")])
        return []

    serve(app).ask("/", "POST", body="\u20ac".encode())
    assert results == ["\u20ac"]

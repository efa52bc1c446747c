"""The environ that PEP 3333 asks for, value by value.

``test_environ_parity.py`` holds the same environ against Waitress.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from http.cookies import SimpleCookie

import pytest

from tests.conftest import Serve
from tests.support.http import chunked, render
from tests.support.live import LogCatcher
from tests.support.recorder import Recorder
from tests.support.target import IS_WAITRESS, headwaiter_only
from tests.support.wsgi import Environ, StartResponse
from tests.wsgi.asking import environ_for


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
    """It is no path, and validators want one that is empty or begins with a slash."""
    environ = environ_for(serve, render("*", "OPTIONS"))
    assert environ["PATH_INFO"] == ("*" if IS_WAITRESS else "")
    assert environ["REQUEST_URI"] == "*"
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
        ("X-Same", "1"),
        ("X-Same", "1"),
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
    assert environ["HTTP_X_SAME"] == "1, 1"
    assert environ["HTTP_AUTHORIZATION"] == "Basic Zm9vOmJhcg=="
    assert environ["HTTP_X_DIGITS_123"] == "n"


@pytest.mark.parametrize("name", ["X_Auth", "x_auth", "X_-Auth", "_X", "Content_Length"])
def test_underscore_names_never_arrive(serve: Serve, name: str) -> None:
    """``X_Auth`` would become the same key as ``X-Auth`` and pass for it."""
    environ = environ_for(serve, render("/", headers=[("X-Auth", "right"), (name, "spoofed")]))
    assert environ["HTTP_X_AUTH"] == "right"
    assert "spoofed" not in environ.values()


@headwaiter_only("it arrives")
@pytest.mark.parametrize("name", ["Proxy", "proxy", "PROXY"])
def test_proxy_never_arrives(serve: Serve, name: str) -> None:
    """``HTTP_PROXY`` in the environment of a CGI program is its own proxy (CVE-2016-5385)."""
    fields = [(name, "http://evil.example"), ("X-Proxy", "a"), ("Proxy-Authorization", "b")]
    environ = environ_for(serve, render("/", headers=fields))
    assert [key for key in environ if "PROXY" in key] == [
        "HTTP_X_PROXY",
        "HTTP_PROXY_AUTHORIZATION",
    ]


@headwaiter_only("joined by a comma, which is part of the first cookie's value")
def test_cookies_in_two_fields_are_still_cookies(serve: Serve) -> None:
    environ = environ_for(serve, render("/", headers=[("Cookie", "a=1"), ("Cookie", "b=2")]))
    jar = SimpleCookie(environ["HTTP_COOKIE"])
    assert {name: jar[name].value for name in jar} == {"a": "1", "b": "2"}


@headwaiter_only("joins cookies by a comma, too")
def test_many_lines_of_some_names_are_one_value_each(serve: Serve) -> None:
    count = 100
    lines = [(name, f"{name}{n}") for n in range(count) for name in ("Tag", "tag", "Cookie")]
    environ = environ_for(serve, render("/", headers=[*lines, ("Other", ""), ("other", "")]))
    assert environ["HTTP_TAG"] == ", ".join(f"Tag{n}, tag{n}" for n in range(count))
    assert environ["HTTP_OTHER"] == ", "
    assert environ["HTTP_COOKIE"] == "; ".join(f"Cookie{n}" for n in range(count))


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
@headwaiter_only("Waitress makes every key anew")
def test_short_names_are_remembered_however_many_a_client_invents(serve: Serve) -> None:
    seen: dict[str, list[str]] = {}

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        for key in environ:
            seen.setdefault(key, []).append(key)
        start_response("200 OK", [])
        return []

    server = serve(app, threads=1)

    def ask_twice(name: str) -> tuple[str, str]:
        for _ in range(2):
            server.ask("/", headers=[(name, "x"), ("Accept", "*/*")])
        first, second = seen["HTTP_" + name.upper().replace("-", "_")]
        return first, second

    first, second = ask_twice("X-Short")
    assert first is second
    same = str(first.encode(), "ascii")
    assert sys.intern(same) is same, "what some interpreters intern is never freed"
    first, second = ask_twice("X" * 100)
    assert first is not second
    for some in range(0, 1000, 250):
        server.ask("/", headers=[(f"Invented-{some + n}", "x") for n in range(250)])
    first, second = ask_twice("X-Later")
    assert first is second
    assert all(key is sys.intern("HTTP_ACCEPT") for key in seen["HTTP_ACCEPT"])


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


def test_environ_works_with_wsgiref_util(serve: Serve) -> None:
    from wsgiref.util import application_uri, request_uri

    environ = environ_for(serve, render("/a%20b?c=d"))
    assert application_uri(environ) == "http://example.com/"
    assert request_uri(environ) == "http://example.com/a%20b?c=d"

"""Trusted proxies beyond Waitress, and the rules that matter for security, over live sockets."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.support.http import Client, render
from tests.support.live import LOGGER, LogCatcher
from tests.support.recorder import Recorder
from tests.support.target import IS_WAITRESS, headwaiter_only
from tests.support.wsgi import Environ

X_ALL = "x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-port x-forwarded-by"
SPOOF = [
    ("X-Forwarded-For", "192.0.2.66"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Port", "666"),
    ("X-Forwarded-By", "192.0.2.66"),
    ("Forwarded", "for=192.0.2.66;host=evil.example;proto=https"),
]


def seen(serve: Serve, headers: list[tuple[str, str]], **settings: Any) -> Environ:
    recorder = Recorder()
    assert serve(recorder, **settings).ask("/", headers=headers).status == 200
    return recorder.environs[0]


ANOTHER = {"trusted_proxy": "192.0.2.1", "trusted_proxy_headers": X_ALL}


@pytest.mark.parametrize("settings", [{}, ANOTHER], ids=["nobody", "another"])
def test_an_untrusted_peer_changes_nothing(serve: Serve, settings: dict[str, Any]) -> None:
    environ = seen(serve, SPOOF, **settings)
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["HTTP_HOST"] == "example.com"
    assert environ["wsgi.url_scheme"] == "http"
    left = [key for key in environ if "FORWARDED" in key]
    assert left == [], "what nobody vouches for must not reach the application"


def test_headers_that_are_not_trusted_are_cleared_from_a_trusted_peer(serve: Serve) -> None:
    environ = seen(
        serve, SPOOF, trusted_proxy="127.0.0.1", trusted_proxy_headers="x-forwarded-proto"
    )
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["HTTP_HOST"] == "example.com"
    assert [key for key in environ if "FORWARDED" in key] == ["HTTP_X_FORWARDED_PROTO"]


def test_hops_beyond_the_count_are_not_seen(serve: Serve) -> None:
    headers = [
        ("X-Forwarded-For", "192.0.2.66, 192.0.2.1"),
        ("X-Forwarded-Host", "evil.example, front.example"),
        ("X-Forwarded-Proto", "http"),
    ]
    environ = seen(serve, headers, trusted_proxy="127.0.0.1", trusted_proxy_headers=X_ALL)
    assert environ["REMOTE_ADDR"] == "192.0.2.1"
    assert environ["HTTP_HOST"] == "front.example"
    assert "192.0.2.66" not in str(environ)
    assert "evil.example" not in str(environ)


def test_underscores_do_not_spoof(serve: Serve) -> None:
    headers = [("X_Forwarded_For", "192.0.2.66"), ("X_Forwarded-Proto", "https")]
    environ = seen(serve, headers, trusted_proxy="127.0.0.1", trusted_proxy_headers=X_ALL)
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["wsgi.url_scheme"] == "http"


TRUSTED: list[tuple[str, bool]] = [
    ("127.0.0.0/8", True),
    ("127.0.0.1/32", True),
    ("0.0.0.0/0", True),
    ("10.0.0.0/8", False),
    ("10.0.0.0/8, 127.0.0.0/8", True),
    ("10.0.0.1 127.0.0.1", True),
    ("::1, 127.0.0.1", True),
    ("::/0", False),
    ("127.0.0.2/32", False),
]


@headwaiter_only("one address or *")
@pytest.mark.parametrize(("trusted", "is_trusted"), TRUSTED)
def test_networks(serve: Serve, trusted: str, is_trusted: bool) -> None:
    headers = [("X-Forwarded-For", "192.0.2.1")]
    environ = seen(serve, headers, trusted_proxy=trusted, trusted_proxy_headers="x-forwarded-for")
    assert environ["REMOTE_ADDR"] == ("192.0.2.1" if is_trusted else "127.0.0.1")


@headwaiter_only("only *")
@pytest.mark.parametrize("trusted", ["*", "unix"])
def test_unix_peers(serve: Serve, tmp_path: Path, trusted: str) -> None:
    headers = [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https")]
    environ = seen(
        serve,
        headers,
        unix_socket=str(tmp_path / "s"),
        trusted_proxy=trusted,
        trusted_proxy_headers=X_ALL,
    )
    assert environ["REMOTE_ADDR"] == "192.0.2.1"
    assert environ["wsgi.url_scheme"] == "https"


@headwaiter_only("only *")
def test_a_unix_peer_is_no_tcp_peer(serve: Serve) -> None:
    headers = [("X-Forwarded-For", "192.0.2.1")]
    environ = seen(serve, headers, trusted_proxy="unix", trusted_proxy_headers="x-forwarded-for")
    assert environ["REMOTE_ADDR"] == "127.0.0.1"


ADDRESSLESS = [
    # header, value, REMOTE_ADDR
    ("X-Forwarded-For", "unix:", "unix"),  # nginx behind a Unix socket
    ("X-Forwarded-For", "192.0.2.1, unix:", "unix"),
    ("Forwarded", "for=unix:", "unix"),
    ("Forwarded", 'for="unix:";proto=http', "unix"),
    ("X-Forwarded-For", "a,,b", "b"),
    ("X-Forwarded-For", '<script>, ", fe80::1%eth0', "fe80::1%eth0"),
    ("X-Forwarded-For", "192.0.2.1:", "192.0.2.1"),
    ("Forwarded", "nonsense, for=192.0.2.1", "192.0.2.1"),
]


@headwaiter_only("the colon stays, an empty port is one, all elements are judged")
@pytest.mark.parametrize(("name", "value", "address"), ADDRESSLESS)
def test_what_real_proxies_say_is_taken(serve: Serve, name: str, value: str, address: str) -> None:
    """Nodes without an address, and entries that no trusted proxy wrote, are not refused."""
    environ = seen(serve, [(name, value)], trusted_proxy="*", trusted_proxy_headers=name.lower())
    assert environ["REMOTE_ADDR"] == environ["REMOTE_HOST"] == address
    assert environ["REMOTE_PORT"].isdigit()


def test_an_unknown_parameter_of_forwarded_is_a_warning(serve: Serve, logs: LogCatcher) -> None:
    server = serve(Recorder(), trusted_proxy="*", trusted_proxy_headers="forwarded")
    for _ in range(3):
        assert server.ask("/", headers=[("Forwarded", "for=192.0.2.1;secret=x")]).status == 200
    assert logs.wait_for("secret", logging.WARNING).name == LOGGER
    server.close()
    warnings = logs.matching(lambda r: "secret" in r.getMessage())
    assert IS_WAITRESS or len(warnings) == 1, "the proxy says it with every request"


MALFORMED = [
    ("X-Forwarded-For", '"192.0.2.1'),
    ("X-Forwarded-Proto", "gopher"),
    ("X-Forwarded-Port", "eighty"),
]
MALFORMED_FORWARDED = ['for="192.0.2.1', "proto", "=value", "for=a=b;", "nonsense"]


@headwaiter_only("some of them are a 500 or pass")
@pytest.mark.parametrize("field", MALFORMED, ids=repr)
def test_malformed_values_are_400(serve: Serve, logs: LogCatcher, field: tuple[str, str]) -> None:
    check_400(serve, logs, field, X_ALL)


@headwaiter_only("some of them are a 500 or pass")
@pytest.mark.parametrize("value", MALFORMED_FORWARDED)
def test_malformed_forwarded_is_400(serve: Serve, logs: LogCatcher, value: str) -> None:
    check_400(serve, logs, ("Forwarded", value), "forwarded")


def check_400(serve: Serve, logs: LogCatcher, field: tuple[str, str], trusted: str) -> None:
    """The application never runs, nothing is echoed, nothing behind it is served."""
    recorder = Recorder()
    server = serve(recorder, trusted_proxy="127.0.0.1", trusted_proxy_headers=trusted)
    with server.connect() as client:
        client.send(render("/", headers=[field]) + render("/behind"))
        reply = client.reply()
        assert reply.status == 400
        assert field[1].encode() not in reply.body
        if reply.closing:
            client.expect_cut()
    server.close()
    assert [e for e in recorder.environs if e["PATH_INFO"] == "/"] == []
    assert logs.matching(lambda r: r.levelno >= logging.ERROR) == []


def test_untrusted_headers_are_logged_on_request(serve: Serve, logs: LogCatcher) -> None:
    seen(serve, SPOOF, log_untrusted_proxy_headers=True)
    for name, _ in SPOOF:
        record = logs.wait_for(name, logging.WARNING)
        assert record.name == LOGGER


def test_untrusted_headers_are_not_logged_each_by_default(serve: Serve, logs: LogCatcher) -> None:
    recorder = Recorder()
    server = serve(recorder)
    for _ in range(2):
        server.ask("/", headers=SPOOF)
    server.close()
    about = logs.matching(lambda r: "forwarded" in r.getMessage().lower())
    assert len(about) == (0 if IS_WAITRESS else 1), "test_removed.py looks at that one"


def test_each_request_of_a_connection_is_judged_by_itself(serve: Serve) -> None:
    recorder = Recorder()
    server = serve(recorder, trusted_proxy="127.0.0.1", trusted_proxy_headers=X_ALL)
    with server.connect() as client:
        client.ask("/", headers=[("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https")])
        client.ask("/")
        client.ask("/", headers=[("X-Forwarded-For", "192.0.2.2")])
    addresses = [environ["REMOTE_ADDR"] for environ in recorder.environs]
    assert addresses == ["192.0.2.1", "127.0.0.1", "192.0.2.2"]
    schemes = [environ["wsgi.url_scheme"] for environ in recorder.environs]
    assert schemes == ["https", "http", "http"]


@pytest.mark.parametrize("address", ["127.0.0.2", "127.0.0.3"])
def test_trust_goes_by_the_peer(serve: Serve, address: str) -> None:
    """Two clients of one server, one of them the proxy."""
    recorder = Recorder()
    server = serve(recorder, trusted_proxy="127.0.0.2", trusted_proxy_headers="x-forwarded-for")
    with Client(server.address, source=address) as client:
        client.ask("/", headers=[("X-Forwarded-For", "192.0.2.1")])
    expected = "192.0.2.1" if address == "127.0.0.2" else address
    assert recorder.environs[0]["REMOTE_ADDR"] == expected

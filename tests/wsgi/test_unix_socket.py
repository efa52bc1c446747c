"""The environ of a request by a Unix socket: no port, no address, and yet native strings."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast
from wsgiref.util import application_uri
from wsgiref.validate import validator

import pytest

from tests.conftest import Serve
from tests.support.http import render
from tests.support.live import LogCatcher
from tests.support.recorder import Recorder
from tests.support.target import headwaiter_only
from tests.support.wsgi import Environ, StartResponse

pytestmark = [
    pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here"),
    headwaiter_only("SERVER_PORT is the path, REMOTE_PORT is None in words"),
]


def seen(serve: Serve, raw: bytes, tmp_path: Path, **settings: Any) -> Environ:
    recorder = Recorder()
    server = serve(recorder, unix_socket=str(tmp_path / "s"), **settings)
    with server.connect() as client:
        client.send(raw)
        assert client.reply().status == 200
    return recorder.environs[0]


def test_cgi_values_are_native_strings(serve: Serve, tmp_path: Path) -> None:
    environ = seen(serve, render("/"), tmp_path)
    wrong = {k: v for k, v in environ.items() if k.isupper() and type(v) is not str}
    assert wrong == {}


@pytest.mark.parametrize(("scheme", "port"), [("http", "80"), ("https", "443")])
def test_ports_are_digits(serve: Serve, tmp_path: Path, scheme: str, port: str) -> None:
    """Whoever came by a URL meant the port of its scheme; middleware makes a number of it."""
    environ = seen(serve, b"GET / HTTP/1.0\r\n\r\n", tmp_path, url_scheme=scheme)
    assert environ["SERVER_PORT"] == port
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("localhost", "0")
    assert application_uri(environ) == f"{scheme}://{environ['SERVER_NAME']}/"


def test_a_trusted_proxy_names_the_port(serve: Serve, tmp_path: Path) -> None:
    headers = [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "192.0.2.1:4711")]
    trust = {"trusted_proxy": "unix", "trusted_proxy_headers": "x-forwarded-proto x-forwarded-for"}
    environ = seen(serve, render("/", headers=headers), tmp_path, **trust)
    assert environ["SERVER_PORT"] == "443"
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("192.0.2.1", "4711")


def test_the_validator_has_no_complaint(serve: Serve, logs: LogCatcher, tmp_path: Path) -> None:
    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]

    checked: Any = validator(cast(Any, app))
    server = serve(checked, unix_socket=str(tmp_path / "s"))
    for target, method in (("/a?b", "GET"), ("*", "OPTIONS")):
        assert server.ask(target, method).status == 200
        assert server.ask(target, method, version="1.0").status == 200
    server.close()
    assert logs.errors() == []

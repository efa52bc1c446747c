"""``waitress.client_disconnected``: whether anybody still waits for the reply."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.support.http import render
from tests.support.target import IS_WAITRESS, headwaiter_only
from tests.support.waiting import eventually
from tests.support.wsgi import Environ, StartResponse
from tests.wsgi.asking import environ_for


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


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are listed in /proc")
def test_an_environ_that_is_kept_keeps_no_descriptor(serve: Serve) -> None:
    """Error reports and reference cycles keep environs for longer than their connections."""
    kept: list[Environ] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        kept.append(environ)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    server = serve(app)
    assert server.ask().status == 200  # all of it has started
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with server.connect() as client:
            assert client.ask().status == 200
    eventually(lambda: len(os.listdir("/proc/self/fd")) <= before + 2, "they are closed")
    if not IS_WAITRESS:
        eventually(
            lambda: all(environ["waitress.client_disconnected"]() for environ in kept),
            "the environs know it",
        )


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

"""The settings that show in the environ: names, scheme, prefix and ident."""

from __future__ import annotations

from typing import Any

import pytest

from headwaiter import Adjustments
from tests.conftest import Serve
from tests.support.http import render
from tests.support.recorder import Recorder
from tests.support.target import headwaiter_only
from tests.wsgi.asking import environ_for


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


@pytest.mark.parametrize(
    ("settings", "several"),
    [
        ({"threads": 1}, False),
        ({"threads": 2}, True),
        pytest.param({"threads": "1-2"}, True, marks=headwaiter_only("one number only")),
        pytest.param(
            # A replacement runs beside the request that is stuck.
            *({"threads": 1, "stuck_after": 60}, True),
            marks=headwaiter_only("it replaces none"),
        ),
    ],
)
def test_multithread(serve: Serve, settings: dict[str, Any], several: bool) -> None:
    """PEP 3333: whether another thread may call the application at the same time."""
    assert environ_for(serve, render("/"), **settings)["wsgi.multithread"] is several


@headwaiter_only("it has one process")
def test_multiprocess(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """PEP 3333: whether another process may call the application at the same time."""
    settings = Adjustments.engine_settings

    def of_several(self: Adjustments, logger: str) -> dict[str, Any]:
        return {**settings(self, logger), "multiprocess": True}

    assert environ_for(serve, render("/"))["wsgi.multiprocess"] is False
    monkeypatch.setattr(Adjustments, "engine_settings", of_several)
    assert environ_for(serve, render("/"))["wsgi.multiprocess"] is True

"""A proxy that nobody told the server about: its headers vanish, and the log says so, once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.support.live import LogCatcher
from tests.support.recorder import Recorder
from tests.support.target import headwaiter_only

pytestmark = headwaiter_only("Waitress says nothing")

PROXIED = [("X-Forwarded-For", "192.0.2.1"), ("X-Request-Id", "1"), ("X-Forwarded-Proto", "https")]


def said(logs: LogCatcher) -> list[str]:
    found = logs.matching(lambda record: record.getMessage().startswith("removed "))
    assert {record.levelno for record in found} <= {logging.WARNING}
    return [record.getMessage() for record in found]


def test_it_is_said_once_with_what_to_set(serve: Serve, logs: LogCatcher) -> None:
    server = serve(Recorder())
    for _ in range(3):
        assert server.ask("/", headers=PROXIED).status == 200
    server.close()
    (message,) = said(logs)
    assert message.startswith(
        "removed X-Forwarded-For, X-Forwarded-Proto from a request of 127.0.0.1: "
    )
    assert "set trusted_proxy=127.0.0.1, and trusted_proxy_headers to" in message


def test_what_it_says_to_set_ends_it(serve: Serve, logs: LogCatcher) -> None:
    recorder = Recorder()
    headers = "x-forwarded-for x-forwarded-proto"
    server = serve(recorder, trusted_proxy="127.0.0.1", trusted_proxy_headers=headers)
    assert server.ask("/", headers=PROXIED).status == 200
    server.close()
    assert recorder.environs[0]["REMOTE_ADDR"] == "192.0.2.1"
    assert said(logs) == []


def test_a_unix_socket_is_near(serve: Serve, logs: LogCatcher, tmp_path: Path) -> None:
    server = serve(Recorder(), unix_socket=str(tmp_path / "s"))
    assert server.ask("/", headers=PROXIED).status == 200
    server.close()
    (message,) = said(logs)
    assert "of a Unix socket: " in message
    assert "set trusted_proxy=unix, and" in message


QUIET: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    ("no header of a proxy", {}, [("X-Request-Id", "1")]),
    ("a header that is never removed", {}, [("X-Real-IP", "192.0.2.1")]),
    ("nothing is removed", {"clear_untrusted_proxy_headers": False}, PROXIED),
    (
        "another is trusted",
        {"trusted_proxy": "192.0.2.7", "trusted_proxy_headers": "x-forwarded-for"},
        PROXIED,
    ),
]


@pytest.mark.parametrize(
    ("settings", "headers"), [row[1:] for row in QUIET], ids=[row[0] for row in QUIET]
)
def test_it_is_not_said_if(
    serve: Serve, logs: LogCatcher, settings: dict[str, Any], headers: list[tuple[str, str]]
) -> None:
    server = serve(Recorder(), **settings)
    assert server.ask("/", headers=headers).status == 200
    server.close()
    assert said(logs) == []

"""A real HAProxy and a real nginx in front of headwaiter, with the examples' configurations."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.http import Client
from tests.support.process import ServerProcess, start_server
from tests.support.waiting import eventually

from . import FRONT, HOST, WEB1, WEB2
from .app import BLOCK, BLOCKS
from .proxies import haproxy_command, nginx_command, running, server_states

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="only Linux has all of 127.0.0.0/8"
    ),
]
COMMANDS = {"haproxy": haproxy_command, "nginx": nginx_command}


def start(address: tuple[str, int]) -> ServerProcess:
    """headwaiter as the proxies expect it."""
    return start_server(
        "tests.deploy.app:app",
        listen="{}:{}".format(*address),
        trusted_proxy="127.0.0.0/8",
        trusted_proxy_headers="x-forwarded-for x-forwarded-proto",
        health_path="/ready",
    )


@pytest.fixture(params=sorted(COMMANDS))
def proxy(request: pytest.FixtureRequest, folder: Path) -> Iterator[ServerProcess]:
    with start(WEB1), start(WEB2), running(COMMANDS[request.param](folder), folder) as proxy:
        yield proxy


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_proxy_accepts_its_configuration(name: str, folder: Path) -> None:
    check = {"haproxy": "-c", "nginx": "-t"}[name]
    command = [*COMMANDS[name](folder), check]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.lower()


def test_requests_arrive_and_name_the_client(proxy: ServerProcess) -> None:
    with Client(FRONT, source=HOST) as client:
        forged = [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https")]
        seen: dict[str, Any] = json.loads(client.ask("/", headers=forged).body)
        assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == (HOST, "http")
        assert seen["HTTP_HOST"] == "example.com"
        body = b"x" * 3_000_000
        digest = hashlib.sha256(body).hexdigest().encode()
        assert client.ask("/upload", "POST", body=body).body == digest
        assert client.ask("/download").body == client.ask("/stream").body == BLOCK * BLOCKS


def test_haproxy_follows_the_readiness_path(folder: Path) -> None:
    def become(**states: str) -> None:
        eventually(lambda: server_states(folder) == states, f"{states}")

    with start(WEB1) as web1, running(haproxy_command(folder), folder) as proxy:
        become(web1="UP", web2="DOWN")
        assert proxy.ask("/").status == 200
        with start(WEB2):
            become(web1="UP", web2="UP")
            web1.stop()
            become(web1="DOWN", web2="UP")
            assert proxy.ask("/").status == 200

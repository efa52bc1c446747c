"""The examples that are one file: plain WSGI, Flask, and Pyramid through PasteDeploy."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import ROOT, ServerProcess, environment, start_server
from tests.support.target import headwaiter_only

from . import EXAMPLES


@headwaiter_only("the example imports headwaiter")
def test_hello_greets_by_the_path() -> None:
    with start_server("hello:app", cwd=EXAMPLES) as server:
        assert server.ask("/").body == b"Hello, world!\n"
        assert server.ask("/%C5%BDofie").body == "Hello, Žofie!\n".encode()


@pytest.mark.parametrize("settings", [{}, {"call": True}], ids=["object", "factory"])
def test_flask(settings: dict[str, Any]) -> None:
    app = "flask_app:create_app" if settings else "flask_app:app"
    with start_server(app, cwd=EXAMPLES, **settings) as server:
        assert json.loads(server.ask("/?q=1").body) == {
            "you": "127.0.0.1",
            "scheme": "http",
            "path": "/?q=1",
        }
        is_json = [("Content-Type", "application/json")]
        assert json.loads(server.ask("/echo", "POST", headers=is_json, body=b"[1]").body) == [1]
        assert server.ask("/echo", "POST", headers=is_json, body=b"[").status == 400
        assert server.ask("/count/2").body == b"2\n1\nlift-off\n"
        assert server.ask("/nowhere").status == 404


@headwaiter_only("the ini file names headwaiter as its server")
def test_pyramid_is_served_by_its_ini_file(tmp_path: Path) -> None:
    """``pserve`` with the committed file, only the port replaced by a free one."""
    ini = (EXAMPLES / "pyramid_app" / "development.ini").read_text(encoding="utf-8")
    ini, replaced = re.subn(r"(?m)^listen = .*$", "listen = 127.0.0.1:0", ini)
    assert replaced == 1
    config = tmp_path / "free_port.ini"
    config.write_text(ini, encoding="utf-8")
    with serve_ini(config) as server:
        server.wait_for_addresses(1)
        reply = server.ask("/")
        assert json.loads(reply.body) == {"greeting": "Good evening", "you": "127.0.0.1"}


def serve_ini(config: Path) -> ServerProcess:
    """``python -m pyramid.scripts.pserve``, which is what the ``pserve`` script calls."""
    argv = [sys.executable, "-m", "pyramid.scripts.pserve", str(config)]
    env = environment(PYTHONPATH=str(EXAMPLES / "pyramid_app"))
    return ServerProcess(argv, env, ROOT, ())

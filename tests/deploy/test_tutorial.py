"""``docs/tutorial.md``: its files work together, and its commands are those of headwaiter."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headwaiter._settings import flags
from tests.support.http import Client
from tests.support.process import ROOT, ServerProcess, environment, start_server
from tests.support.tools import program
from tests.support.waiting import eventually

from . import HOST
from .proxies import NGINX

TEXT = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"(?ms)^\*\*`(\S+)`\*\*\n\n```\w+\n(.*?)^```", TEXT))
COMMANDS = re.findall(r"(?m)^    (?:sudo -u shop \S+/)?headwaiter (.+)$", TEXT)
UNIT = FILES["/etc/systemd/system/shop.service"]
SITE = FILES["/etc/nginx/conf.d/shop.conf"]

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux has all of 127.0.0.0/8"
)


def replaced(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    return text


def start(folder: Path, application: str = "shop:app") -> ServerProcess:
    """The application of step 1 with the file of step 4, at other addresses."""
    changes = {
        "127.0.0.1:9090": "127.0.0.1:0",
        'trusted_proxy = "127.0.0.1"': 'trusted_proxy = "127.0.0.0/8"',
    }
    config = folder / "headwaiter.toml"
    config.write_text(replaced(FILES["headwaiter.toml"], changes), encoding="utf-8")
    (folder / "shop.py").write_text(FILES["shop.py"], encoding="utf-8")
    server = start_server(application, cwd=folder, addresses=2, config=config, listen=f"{HOST}:0")
    server.wait_for_log("process 0 .* is ready")
    return server


@contextmanager
def proxied(server: ServerProcess, folder: Path) -> Iterator[tuple[str, int]]:
    """nginx with the file of step 6, at another address, once it accepts connections."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        front = probe.getsockname()
    changes = {
        "listen 80;": "listen {}:{};".format(*front),
        "127.0.0.1:8000": "{}:{}".format(*server.address),
    }
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(site=replaced(SITE, changes)), encoding="utf-8")
    command = [program("nginx"), "-p", str(folder), "-c", str(config), "-e", "stderr"]

    def accepts() -> bool:
        assert nginx.process.poll() is None, nginx.log
        with socket.socket() as client:
            return client.connect_ex(front) == 0

    with ServerProcess(command, environment(), folder, ()) as nginx:
        eventually(accepts, "nginx listens")
        try:
            yield front
        finally:
            nginx.signal(signal.SIGTERM)  # it ends its workers, which outlive a SIGKILL
            nginx.wait()


@linux
@pytest.mark.slow
def test_the_site_behind_nginx(folder: Path) -> None:
    with (
        start(folder) as server,
        proxied(server, folder) as front,
        Client(front, source=HOST) as client,
    ):
        assert client.ask("/").body == b"Hello from the shop\n"
        seen = json.loads(client.ask("/who", headers=[("Host", "shop.example")]).body)
        assert seen == {"address": HOST, "scheme": "http"}
        assert server.ask("/healthz").status == 200
        assert server.ask("/slow").body == b"done\n"


def test_django_starts_by_the_commands_of_the_page(tmp_path: Path) -> None:
    assert "django-admin startproject shop ." in TEXT
    argv = [sys.executable, "-m", "django", "startproject", "shop", "."]
    subprocess.run(argv, cwd=tmp_path, env=environment(), check=True, timeout=60)
    with start_server("shop.wsgi:application", cwd=tmp_path) as server:
        assert (
            b"The install worked successfully"
            in server.ask("/", headers=[("Host", "localhost")]).body
        )


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_can_be_parsed(command: str) -> None:
    arguments = command.split()
    if arguments[0] in ("advise", "ctl", "top"):
        return
    options = flags.parse(arguments)
    assert options.application in ("shop:app", "shop.wsgi:application")


def test_the_unit_starts_what_the_page_has_tried() -> None:
    (command,) = re.findall(r"(?m)^ExecStart=/srv/shop/venv/bin/headwaiter (.+)$", UNIT)
    options = flags.parse(command.split())
    assert options.application == "shop:app"
    assert options.config == "headwaiter.toml"
    assert options.control == "/run/shop/control.sock"


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    version = subprocess.run([analyze, "--version"], capture_output=True, text=True, check=True)
    changes = {"ExecStart=/srv/shop/venv/bin/headwaiter": "ExecStart=/bin/true"}
    if int(version.stdout.split()[1]) < 253:
        changes["\nType=notify-reload"] = "\nType=notify\nExecReload=/bin/kill -HUP $MAINPID"
    unit = tmp_path / "shop.service"
    unit.write_text(replaced(UNIT, changes), encoding="utf-8")
    done = subprocess.run(
        [analyze, "verify", str(unit)], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_advice_of_the_page_is_that_of_the_program() -> None:
    """The words of the verdict, whose figures differ from run to run."""
    source = (ROOT / "crates/engine/src/observe/advice/crowded.rs").read_text(encoding="utf-8")
    for words in ("would remove the wait", "for a worker"):
        assert words in TEXT
        assert words in source

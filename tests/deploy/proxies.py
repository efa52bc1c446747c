"""A real HAProxy and a real nginx with the files of ``examples/deploy``, only addresses changed."""

from __future__ import annotations

import runpy
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.process import ServerProcess, environment
from tests.support.tools import program
from tests.support.waiting import eventually

from . import DEPLOY, FRONT, WEB1, WEB2, changed

BACKENDS = {
    "10.0.0.11:8000": "{}:{}".format(*WEB1),
    "10.0.0.12:8000": "{}:{}".format(*WEB2),
}
HAPROXY_FILE = "haproxy.cfg"
ROLL = runpy.run_path(str(DEPLOY / "roll.py"))
# nginx.conf is a part of the `http` block that distributions have. Whatever nginx writes goes here.
NGINX = """
daemon off;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    {site}
}}
"""


def haproxy_command(folder: Path) -> list[str]:
    """Writes the file with ``folder`` for its stats socket; the command that runs it."""
    program_path = program("haproxy")
    front = "{}:{}".format(*FRONT)
    changes = {"bind :80": f"bind {front}", "/run/haproxy/admin.sock": str(stats_socket(folder))}
    path = folder / HAPROXY_FILE
    path.write_text(changed(HAPROXY_FILE, {**changes, **BACKENDS}), encoding="utf-8")
    return [program_path, "-db", "-f", str(path)]


def stats_socket(folder: Path) -> Path:
    return folder / "haproxy.sock"


def server_states(folder: Path) -> Any:
    """What HAProxy says of the two servers, as ``roll.py`` asks."""
    return ROLL["server_states"](str(stats_socket(folder)), "headwaiter")


def nginx_command(folder: Path) -> list[str]:
    """Writes the file, to run in ``folder``; the command that runs it."""
    program_path = program("nginx")
    front = "{}:{}".format(*FRONT)
    site = changed("nginx.conf", {"listen 80": f"listen {front}", **BACKENDS})
    path = folder / "nginx.conf"
    path.write_text(NGINX.format(site=site), encoding="utf-8")
    return [program_path, "-p", str(folder), "-c", str(path), "-e", "stderr"]


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[ServerProcess]:
    """Runs a proxy until it is ready, and beyond."""
    with ServerProcess(command, environment(), folder, ()) as proxy:
        proxy.addresses = [FRONT]
        eventually(lambda: proxy.process.poll() is not None or is_ready(folder), "it is ready")
        try:
            yield proxy
        finally:
            proxy.signal(signal.SIGTERM)  # nginx ends its workers, which outlive a SIGKILL
            proxy.wait()


def is_ready(folder: Path) -> bool:
    """It accepts connections. HAProxy gives its stats socket its name a moment later."""
    if (folder / HAPROXY_FILE).exists() and not stats_socket(folder).exists():
        return False
    with socket.socket() as client:
        return client.connect_ex(FRONT) == 0

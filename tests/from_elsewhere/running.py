"""Starts what ``headwaiter migrate`` has made, and the servers that it was made from."""

from __future__ import annotations

import os
import shlex
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headwaiter import _headwaiter
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.files import BEGINNING
from tests.support.process import ServerProcess, environment
from tests.support.waiting import eventually


def document(path: Path) -> dict[str, Any]:
    return _headwaiter.load_toml(path.read_text(encoding="utf-8"))


def loaded(path: Path) -> Adjustments:
    """The adjustments that the file means; what surrounds the application is no adjustment."""
    values = document(path)
    return Adjustments(**{name: values[name] for name in values if name not in BEGINNING})


@contextmanager
def running(argv: list[str], folder: Path, path: Path, **env: str) -> Iterator[ServerProcess]:
    """A server in ``folder`` that listens on the Unix socket ``path``."""
    server = ServerProcess(argv, environment(HOME=str(folder), **env), folder, ())
    server.addresses.append(str(path))
    try:
        eventually(lambda: _listens(path) or server.process.poll() is not None, str(argv), 60)
        assert server.process.poll() is None, f"{shlex.join(argv)}\n{server.log}"
        yield server
        server.signal(signal.SIGTERM)
        server.wait(60)
    finally:
        server.kill()


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(os.fspath(path))
        except OSError:
            return False
    return True

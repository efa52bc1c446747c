"""Starts what ``headwaiter migrate`` has made, and the servers that it was made from."""

from __future__ import annotations

import importlib.util
import os
import shlex
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headwaiter import _headwaiter
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.flags import make_parser
from headwaiter._settings.table import BY_NAME
from tests.support.process import ServerProcess, environment
from tests.support.waiting import eventually

ROUND_THE_APPLICATION = ("application", "chdir", "pythonpath", "env")


def document(path: Path) -> dict[str, Any]:
    return _headwaiter.load_toml(path.read_text(encoding="utf-8"))


def knows_surroundings() -> bool:
    """Whether the command line reads from a file what surrounds the application, too, and calls a
    factory that is written as a call."""
    has_flags = "--chdir" in make_parser()._option_string_actions
    return has_flags and importlib.util.find_spec("headwaiter._spec") is not None


def loaded(path: Path) -> Adjustments:
    """The adjustments that the file means; what surrounds the application is no adjustment."""
    values = document(path)
    known = {name: value for name, value in values.items() if name in BY_NAME}
    rest = set(values) - set(known) - set(ROUND_THE_APPLICATION)
    assert rest <= {"user", "group", "umask", "log_level", "log_config"}, rest
    return Adjustments(**known)


def command(folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command that serves ``headwaiter.toml`` in ``folder``, and its variables."""
    start = [sys.executable, "-m", "headwaiter"]
    values = document(folder / "headwaiter.toml")
    known = {name: value for name, value in values.items() if name in BY_NAME}
    if knows_surroundings() and set(values) - set(known) <= set(ROUND_THE_APPLICATION):
        return start, {}
    flags = ["--no-config"] if "--no-config" in make_parser()._option_string_actions else []
    for name, value in known.items():
        if isinstance(value, bool):
            flags.append(BY_NAME[name].flag if value else f"--no-{BY_NAME[name].flag[2:]}")
        else:
            flags.append(f"{BY_NAME[name].flag}={value}")
    spec = values["application"]
    if spec.endswith("()"):
        flags, spec = [*flags, "--call"], spec[:-2]
    return [*start, *flags, spec], values.get("env", {})


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

"""A server process under the program that an agent brings along."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.process import ROOT, ServerProcess, environment, flags


def needs(module: str) -> pytest.MarkDecorator:
    """Skip where the agent is not installed. It is not imported to find out: agents change the
    process that imports them."""
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # of a parent
        found = None
    package = module.partition(".")[0].replace("_", "-")
    reason = f"{package} is not installed: make .venv/.apm"
    return pytest.mark.skipif(found is None, reason=reason)


def start_under(*program: str, app: str, env: dict[str, str], **settings: object) -> ServerProcess:
    """``program`` runs ``python -m headwaiter`` with ``app``; waits until it listens."""
    settings = {"listen": "127.0.0.1:0", **settings}
    name, *arguments = program
    path = shutil.which(name, path=str(Path(sys.executable).parent))
    assert path, f"{name} is not beside {sys.executable}"
    server = [sys.executable, "-m", "headwaiter", *flags(settings), app]
    process = ServerProcess([path, *arguments, *server], environment(**env), ROOT, ())
    try:
        process.wait_for_addresses(1)
    except BaseException:
        process.kill()
        raise
    return process

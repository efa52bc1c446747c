"""A server process under the program that an agent brings along."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.support.process import ROOT, ServerProcess, environment, flags


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

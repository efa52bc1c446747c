"""Applications that say what they see of their process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

from tests.support.wsgi import Environ, StartResponse


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"multiprocess={environ['wsgi.multiprocess']}".encode()]


def spawns(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The descriptors that a program has which the application starts without closing any."""
    listing = "import os; print(*sorted(int(n) for n in os.listdir('/proc/self/fd'))[:-1])"
    command = [sys.executable, "-c", listing]
    shown = subprocess.run(command, close_fds=False, capture_output=True, check=True)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [shown.stdout.strip()]

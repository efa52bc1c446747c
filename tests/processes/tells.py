"""Applications that say what they see of their process, and one that holds the GIL."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterable

from tests.support.apps import hello, query
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


def holds(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """``/hold?pipe=PATH``: holds the GIL until a byte comes through the pipe."""
    if environ["PATH_INFO"] == "/hold":
        pipe = os.open(query(environ, "pipe"), os.O_RDWR)
        print("holding", file=sys.stderr, flush=True)
        ctypes.PyDLL(None).read(pipe, ctypes.create_string_buffer(1), 1)
        os.close(pipe)
    return hello(environ, start_response)

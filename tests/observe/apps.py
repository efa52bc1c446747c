"""Applications of known nature, for the advice to name."""

from __future__ import annotations

import ctypes
import hashlib
import threading
import time
from collections.abc import Iterable

from ..support.wsgi import Environ, StartResponse

MEGABYTE = bytes(1 << 20)


def _done(start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "4")])
    return [b"done"]


def sleeping(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Waits, as for a database."""
    time.sleep(0.05)
    return _done(start_response)


def spinning(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Computes in Python, under the GIL."""
    end = time.thread_time() + 0.02
    while time.thread_time() < end:
        sum(range(100))
    return _done(start_response)


def hashing(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Computes in C, without the GIL."""
    for _ in range(20):
        hashlib.sha256(MEGABYTE)
    return _done(start_response)


def holding(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """``/hold`` sleeps in C without letting go of the GIL."""
    if environ["PATH_INFO"] == "/hold":
        ctypes.PyDLL(None).usleep(5_000_000)
    return _done(start_response)


GATE = threading.Event()


def waiting(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """``/wait`` waits until somebody asks for ``/open``; ``/spin`` computes for a while."""
    if environ["PATH_INFO"].startswith("/wait"):
        wait_at_the_gate()
    elif environ["PATH_INFO"] == "/open":
        GATE.set()
    elif environ["PATH_INFO"] == "/spin":
        return spinning(environ, start_response)
    return _done(start_response)


def wait_at_the_gate() -> None:
    GATE.wait()

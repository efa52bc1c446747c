"""For ``test_gil``: a large reply, and a request that then holds the GIL."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterable

from tests.support.wsgi import Environ, StartResponse


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    errors = environ["wsgi.errors"]
    if environ["PATH_INFO"] == "/large":
        start_response("200 OK", [("Content-Length", str(16 << 20))])(bytes(16 << 20))
        errors.write("handed over\n")
        errors.flush()
        return []
    errors.write("holding\n")
    errors.flush()
    end = time.monotonic() + 4
    while time.monotonic() < end:
        ctypes.PyDLL(None).usleep(500_000)
    start_response("200 OK", [("Content-Length", "0")])
    return []

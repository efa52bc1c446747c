"""What ``test_closing`` and ``test_queue`` serve."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable
from pathlib import Path

from tests.support.wsgi import Environ, StartResponse

STATUSES = {"/": "200 OK", "/missing": "404 Not Found", "/teapot": "503 Service Unavailable"}


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/fail":
        raise LookupError(path)
    if path == "/kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "/wait":
        Path(os.environ["TESTED_FILE"]).touch()
        threading.Event().wait()
    start_response(STATUSES[path], [("Content-Length", "0")])
    return []

"""The application of ``load.py``: that of the soak, and a few paths of its own.

``/pid``          the process that answers
``/sleep/SECS``   sleeps, then the process
``/burn/SECS``    computes that long on the CPU with the GIL, then the process
``/kill``         ends its process by SIGKILL
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable

from tests.soak.app import application as exchanges
from tests.support.wsgi import Environ, StartResponse


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    action, _, argument = environ["PATH_INFO"][1:].partition("/")
    if action == "sleep":
        time.sleep(float(argument))
    elif action == "burn":
        burn(float(argument))
    elif action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action != "pid":
        return exchanges(environ, start_response)
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def burn(seconds: float) -> None:
    """Computes for ``seconds`` of this thread's CPU time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(1000))

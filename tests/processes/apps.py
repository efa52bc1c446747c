"""Applications for several processes: they tell in which process they run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def who(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The process. With ``?fifo=PATH`` the reply waits until somebody has written there."""
    fifo = parse_qs(environ.get("QUERY_STRING", "")).get("fifo")
    if fifo:
        with open(fifo[0], "rb") as gate:
            gate.read()
    body = json.dumps(
        {
            "pid": os.getpid(),
            "slot": os.environ.get("HEADWAITER_PROCESS"),
            "multiprocess": environ["wsgi.multiprocess"],
        }
    ).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]

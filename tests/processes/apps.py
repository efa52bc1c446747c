"""Applications for several processes: they tell in which process they run."""

from __future__ import annotations

import ctypes
import json
import os
import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def who(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The process. With ``?fifo=PATH`` the reply waits until somebody has written there; with
    ``?hold=PATH`` it keeps the GIL meanwhile, as a long computation in C does."""
    query = parse_qs(environ.get("QUERY_STRING", ""))
    if "fifo" in query:
        with open(query["fifo"][0], "rb") as gate:
            gate.read()
    if "hold" in query:
        # One call opens and reads: between two of them other threads could have the GIL.
        read = f"read line < {shlex.quote(query['hold'][0])}"
        ctypes.PyDLL(None).system(os.fsencode(read))
    body = json.dumps(
        {
            "pid": os.getpid(),
            "slot": os.environ.get("HEADWAITER_PROCESS"),
            "multiprocess": environ["wsgi.multiprocess"],
        }
    ).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]

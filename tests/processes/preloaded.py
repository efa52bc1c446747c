"""An application for ``preload``: it tells which process has loaded it, and what followed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LOADER = os.getpid()
FORKED: list[tuple[int, str]] = []
BALLAST = [b"x" * (1 << 16) for _ in range(1 << 10)]  # 64 MiB, which nobody writes to


def forked() -> None:
    FORKED.append((os.getpid(), os.environ["HEADWAITER_PROCESS"]))


os.register_at_fork(after_in_child=forked)


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    found = {
        "pid": os.getpid(),
        "loader": LOADER,
        "forked": FORKED,
    }
    body = json.dumps(found).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

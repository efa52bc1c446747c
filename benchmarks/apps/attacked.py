"""The application under attack: trivial views, and views that attackers ask for.

Views of honest visitors cost nothing, so that their latency is the server's. `/visit` opens a file,
as applications do: it fails when attackers have taken the descriptors.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MIB = 1024 * 1024
GREETING = b"Hello, world!"
DRIP = b"x"
BLOCK = b"x" * (64 * 1024)
MOST_MIB = 256
MOST_DRIPS = 3_000_000
MOST_SECONDS = 60.0
ACCESS_LOGGER = "headwaiter.access"


class Blocked(logging.Handler):
    """A handler of the access log that takes nothing while it is blocked."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()

    def emit(self, record: logging.LogRecord) -> None:
        self.free.wait(MOST_SECONDS)


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """`/KIND/AMOUNT`; anything unknown greets."""
    _, kind, amount = (*environ["PATH_INFO"].split("/"), "", "")[:3]
    if kind == "drips":
        return _drips(start_response, min(int(amount), MOST_DRIPS))
    if kind == "stream":
        return _stream(start_response, min(int(amount), MOST_MIB))
    if kind == "whole":
        return _plain(start_response, b"x" * (min(int(amount), MOST_MIB) * MIB))
    if kind == "upload":
        return _plain(start_response, b"%d" % _length(environ))
    if kind == "visit":
        with open(__file__, "rb") as opened:
            return _plain(start_response, opened.read(len(GREETING)))
    if kind == "sleep":
        time.sleep(min(float(amount), MOST_SECONDS))
    elif kind == "block":
        _block()
    elif kind == "release":
        BLOCKED.free.set()
    return _plain(start_response, GREETING)


def _drips(start_response: StartResponse, count: int) -> Iterator[bytes]:
    """A streamed reply in the smallest of pieces."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    for _ in range(count):
        yield DRIP


def _stream(start_response: StartResponse, mib: int) -> Iterator[bytes]:
    """A streamed reply in ordinary pieces."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    for _ in range(mib * MIB // len(BLOCK)):
        yield BLOCK


def _length(environ: WSGIEnvironment) -> int:
    total = 0
    while piece := environ["wsgi.input"].read(MIB):
        total += len(piece)
    return total


def _block() -> None:
    logger = logging.getLogger(ACCESS_LOGGER)
    logger.propagate = False
    logger.addHandler(BLOCKED)
    BLOCKED.free.clear()


def _plain(start_response: StartResponse, body: bytes) -> list[bytes]:
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


BLOCKED = Blocked()

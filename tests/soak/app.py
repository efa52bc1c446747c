"""The application under load; every reply follows from the target alone.

``/download/KIND/KEY/SIZE``   ``body(KEY, SIZE)``, ``?length`` announces its length
``/upload/HOW/KEY/SIZE``      reads the body as HOW says, compares, and says ``ok`` or what differs
``/echo/KEY/SIZE``            the body that was sent, after comparing it
``/status/204``               and 304: replies without a body
``/fail/call``                raises before, ``/fail/middle`` inside the reply
``/counts``                   iterables opened, closed, and closed twice

Anything else is a 404: hostile clients damage targets, too.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from tests.support.wsgi import Environ, StartResponse

from .bodies import SEQUENCE, blocks, body, difference, start

TARGET = re.compile(
    r"/download/(one|list|generator|slow|write|mixed|memory|file)/\d{1,10}/\d{1,7}"
    r"|/upload/(whole|lines|pieces|ignore)/\d{1,10}/\d{1,7}"
    r"|/echo/\d{1,10}/\d{1,7}"
    r"|/status/(204|304)"
    r"|/fail/(call|middle)"
    r"|/counts",
    re.ASCII,
)
BINARY = ("Content-Type", "application/octet-stream")
counts: Counter[str] = Counter()
_lock = threading.Lock()
# One file for all downloads by ``wsgi.file_wrapper``; it lives as long as the process that made it,
# which may be the template of others.
with tempfile.NamedTemporaryFile(prefix="headwaiter-soak-", delete=False) as _file:
    _file.write(SEQUENCE)


def _remove(maker: int) -> None:
    if os.getpid() == maker:
        os.unlink(_file.name)


atexit.register(_remove, os.getpid())


class Intended(Exception):
    """What ``/fail`` raises; the run expects it in the log."""


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    if not TARGET.fullmatch(environ["PATH_INFO"]):
        start_response("404 Not Found", [("Content-Length", "0")])
        return []
    action, *words = environ["PATH_INFO"][1:].split("/")
    if action == "download":
        return download(environ, start_response, words[0], int(words[1]), int(words[2]))
    if action == "upload":
        said = upload(environ["wsgi.input"], words[0], body(int(words[1]), int(words[2])))
        return plain(start_response, said)
    if action == "echo":
        received = environ["wsgi.input"].read()
        wrong = difference(received, body(int(words[0]), int(words[1])))
        return plain(start_response, wrong) if wrong else binary(start_response, received)
    if action == "status":
        start_response({"204": "204 No Content", "304": "304 Not Modified"}[words[0]], [])
        return []
    if action == "fail":
        return fail(start_response, words[0])
    with _lock:
        said = json.dumps(counts)
    return plain(start_response, said)


def download(
    environ: Environ, start_response: StartResponse, kind: str, key: int, size: int
) -> Iterable[bytes]:
    """The bytes of ``key`` in the form ``kind``: every way that WSGI has to hand them over."""
    headers = [BINARY]
    if environ["QUERY_STRING"] == "length":
        headers.append(("Content-Length", str(size)))
    write = start_response("200 OK", headers)
    if kind == "one":
        return [body(key, size)]
    if kind == "list":
        return Tracked(list(blocks(key, size)))
    if kind == "generator":
        return Tracked(blocks(key, size))
    if kind == "slow":
        return Tracked(dawdling(blocks(key, size)))
    if kind == "write":
        for block in blocks(key, size):
            write(block)
        return []
    if kind == "mixed":
        write(body(key, size // 2))
        return Tracked([body(key, size)[size // 2 :]])
    wrapper: Any = environ["wsgi.file_wrapper"]
    if kind == "memory":
        return wrapper(TrackedMemory(body(key, size)), 8192)  # type: ignore[no-any-return]
    # A real file holds more than the reply: the announced length ends it.
    file = TrackedFile(_file.name)
    file.seek(start(key))
    return wrapper(file, 65536)  # type: ignore[no-any-return]


def dawdling(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Keeps its worker for a while, so that others wait in the queue."""
    for number, part in enumerate(parts):
        if number < 10:
            time.sleep(0.002)
        yield part


def upload(stream: Any, how: str, want: bytes) -> str:
    """Reads the body as ``how`` says; ``ok`` and the length, or what differs from ``want``."""
    if how == "ignore":
        return f"ok {len(want)}"
    if how == "whole":
        got = stream.read()
    elif how == "lines":
        got = b"".join(stream)
    else:
        got = b"".join(iter(lambda: stream.read(7919), b""))
    return difference(got, want) or f"ok {len(got)}"


def fail(start_response: StartResponse, when: str) -> Iterable[bytes]:
    if when == "call":
        raise Intended
    start_response("200 OK", [BINARY])

    def parts() -> Iterator[bytes]:
        yield body(1, 5000)
        raise Intended

    return Tracked(parts())


def plain(start_response: StartResponse, text: str) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]


def binary(start_response: StartResponse, data: bytes) -> list[bytes]:
    start_response("200 OK", [BINARY])
    return [data]


class Tracked:
    """An iterable whose ``close`` is counted."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self.parts = parts
        self.open = True
        note("opened")

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.parts)

    def close(self) -> None:
        note("closed" if self.open else "twice")
        self.open = False


class TrackedMemory(io.BytesIO):
    """A file without a descriptor whose ``close`` is counted."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        note("opened")

    def close(self) -> None:
        if not self.closed:  # deallocating closes, too
            note("closed")
        super().close()


class TrackedFile(io.FileIO):
    """A real file whose ``close`` is counted; left open it raises a ``ResourceWarning``."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        note("opened")

    def close(self) -> None:
        if not self.closed:
            note("closed")
        super().close()


def note(what: str) -> None:
    with _lock:
        counts[what] += 1

"""An application whose address space is full: ``/limit`` leaves room for ``SLACK`` bytes more."""

from __future__ import annotations

import resource
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Callable

from tests.support.apps import PLAIN, hello
from tests.support.wsgi import Environ, StartResponse

MIB = 1 << 20
SLACK = 64 * MIB
LARGE = 128 * MIB

made: list[Any] = []
"""What the next request returns: made before there was a limit."""


def small_pieces() -> list[bytes]:
    return [b"x" * 8192] * (LARGE // 8192)


MAKE: dict[str, Callable[[], Any]] = {
    "bytearray": lambda: bytearray(LARGE),
    "memoryview": lambda: memoryview(bytearray(LARGE)),
    "gaps": lambda: memoryview(bytearray(2 * LARGE))[::2],
    "rows": lambda: memoryview(bytearray(LARGE)).cast("B", (2, LARGE // 2)),
    "bytes": lambda: bytes(LARGE),
    "small pieces": small_pieces,
    "str": lambda: "x" * LARGE,
    "text": lambda: "x" * (40 * MIB),  # once it fits, twice it does not
    "latin-1": lambda: "\xe9" * (40 * MIB),
    "nothing": lambda: None,
}


def limit() -> None:
    """Leaves ``SLACK`` bytes of address space beyond what is mapped now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + SLACK
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """``/limit?KIND`` makes a thing, then the limit; other paths say what becomes of the thing."""
    what, body = environ["PATH_INFO"], environ["wsgi.input"]
    if what == "/limit":
        made.append(MAKE[environ["QUERY_STRING"].replace("+", " ")]())
        limit()
    elif what == "/list":
        start_response("200 OK", [PLAIN])
        return [made[0]]
    elif what == "/pieces":
        start_response("200 OK", [PLAIN])
        return made[0]  # type: ignore[no-any-return]
    elif what == "/stream":
        start_response("200 OK", [PLAIN, ("Content-Length", str(LARGE))])
        return iter(made)
    elif what == "/short":
        start_response("200 OK", [PLAIN, ("Content-Length", str(LARGE - MIB))])
        return [made[0]]
    elif what == "/header":
        start_response("200 OK", [PLAIN, ("X-Long", made[0])])
        return []
    elif what == "/status":
        start_response(f"200 {made[0][:100]}", [PLAIN])
        start_response(made[0], [PLAIN], (ValueError, ValueError(), None))
        return []
    elif what == "/raise":
        raise ValueError(made[0])
    elif what == "/count":
        total = 0
        while data := body.read(65536):
            total += len(data)
        start_response("200 OK", [PLAIN])
        return [str(total).encode()]
    elif what.startswith("/input/"):
        getattr(body, what.rpartition("/")[2])()
    return hello(environ, start_response)

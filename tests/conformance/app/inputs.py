"""Applications that read ``wsgi.input`` in one particular way and return what they got."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from tests.conformance.app.registry import Call, app

READERS: dict[str, Callable[[Any], list[Any]]] = {
    "read": lambda s: [s.read()],
    "read-twice": lambda s: [s.read(), s.read()],
    "read-negative": lambda s: [s.read(-1)],
    "read-zero": lambda s: [s.read(0), s.read()],
    "read-some": lambda s: [s.read(4), s.read()],
    "read-beyond": lambda s: [s.read(10_000), s.read(10_000)],
    "readline": lambda s: [s.readline(), s.readline(), s.readline(), s.readline(), s.readline()],
    "readline-size": lambda s: [s.readline(2), s.readline(100), s.readline(0), s.read()],
    "readlines": lambda s: [list(s.readlines())],
    "readlines-hint": lambda s: [list(s.readlines(1)), s.read()],
    "iterate": lambda s: [list(s)],
    "mixed": lambda s: [s.read(2), s.readline(), next(iter(s)), s.read(1), s.readlines()],
    "hash": lambda s: [_hash(s)],
    "some-then-leave": lambda s: [s.read(10)],
    "none": lambda s: [],
}


@app("input")
def read_input(call: Call) -> Iterable[bytes]:
    got = READERS[call.argument](call.environ["wsgi.input"])
    reply = json.dumps(got, default=lambda value: [type(value).__name__, value.decode("latin-1")])
    return call.text(reply.encode("ascii"))


def _hash(stream: Any) -> str:
    total, digest = 0, hashlib.sha256()
    while data := stream.read(50_000):
        total += len(data)
        digest.update(data)
    return f"{total} {digest.hexdigest()}"

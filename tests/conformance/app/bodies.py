"""Applications whose point is the body: its kind, its length, and when its parts come."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from tests.conformance.app.journal import note, wait_released
from tests.conformance.app.registry import Call, app

PLAIN = ("Content-Type", "text/plain")
BODY = b"0123456789"
LENGTHS = {"none": None, "exact": 10, "short": 20, "long": 5}


@app("length")
def length(call: Call) -> Iterable[bytes]:
    """``STATUS-LENGTH-KIND``: ten bytes, declared rightly, wrongly or not at all."""
    status, declared, kind = call.argument.split("-")
    headers = [PLAIN]
    if LENGTHS[declared] is not None:
        headers.append(("Content-Length", str(LENGTHS[declared])))
    call.start_response(f"{status} Status", headers)
    if kind == "empty":
        return []
    return [BODY] if kind == "list" else (BODY[n : n + 5] for n in (0, 5))


class Sized:
    """An iterable with a length of one that is neither list nor tuple."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"sized"])


class Old:
    """Iterable by ``__getitem__`` alone: the old sequence protocol, which ``iter()`` accepts."""

    def __getitem__(self, index: int) -> bytes:
        return [b"o", b"l", b"d"][index]


@app("kind")
def kind(call: Call) -> Iterable[bytes]:
    """The same answer through every kind of iterable."""
    call.start_response("200 OK", [PLAIN])
    kinds: dict[str, object] = {
        "list": [b"ab", b"cd"],
        "tuple": (b"ab", b"cd"),
        "generator": (part for part in (b"ab", b"cd")),
        "iterator": iter([b"ab", b"cd"]),
        "map": map(bytes, ([97, 98], [99, 100])),
        "set": {b"abcd"},
        "sized": Sized(),
        "getitem": Old(),
        "bytes": b"",  # iterating bytes gives ints, but an empty one gives nothing
        "empty-list": [],
        "empty-parts": [b"", b"ab", b"", b"cd", b""],
        "only-empty-parts": [b"", b""],
        "str": ["text"],
        "none-part": [None],
        "none": None,
        "number": 5,
    }
    return kinds[call.argument]  # type: ignore[return-value]  # wrong on purpose for some


@app("big")
def big(call: Call) -> Iterable[bytes]:
    """``PARTS-SIZE-KIND``: a patterned body of PARTS times SIZE bytes."""
    parts, size, how = call.argument.split("-")
    headers = [PLAIN]
    if how == "length":
        headers.append(("Content-Length", str(int(parts) * int(size))))
    call.start_response("200 OK", headers)
    blocks = (bytes([n % 251]) * int(size) for n in range(int(parts)))
    return list(blocks) if how == "list" else blocks


@app("stepwise")
def stepwise(call: Call) -> Iterator[bytes]:
    """Yields, then waits to be released before it yields again."""
    call.start_response("200 OK", [PLAIN])
    yield b"first,"
    note(call.tag, "waiting")
    note(call.tag, "released" if wait_released(call.tag, 1.5) else "gave-up")
    yield b"second"


@app("stepwise-write")
def stepwise_write(call: Call) -> Iterable[bytes]:
    writer = call.start_response("200 OK", [PLAIN])
    writer(b"first,")
    note(call.tag, "released" if wait_released(call.tag, 1.5) else "gave-up")
    return [b"second"]


@app("block")
def block(call: Call) -> Iterable[bytes]:
    """Occupies a worker until released."""
    note(call.tag, "blocked")
    wait_released(call.tag, 5.0)
    return call.text(b"released")


@app("nap")
def nap(call: Call) -> Iterable[bytes]:
    """Takes a few milliseconds, blocking, as a database query does."""
    time.sleep(int(call.argument) / 1000)
    return call.text(call.tag.encode("ascii"))


@app("bad")
def bad(call: Call) -> Iterable[bytes]:
    """What refused requests are addressed to: notes whether it ever took a body for whole.

    A body that ends before its Content-Length is not: any application can tell. That a chunked body
    ended early only the server knows, and must raise.
    """
    stream = call.environ["wsgi.input"]
    try:
        total = 0
        while data := stream.read(65536):
            total += len(data)
    except Exception as error:
        note(call.tag, "input-error", error=type(error).__name__)
        raise
    declared = call.environ.get("CONTENT_LENGTH") or "0"
    if total < int(declared):
        note(call.tag, "short", length=total)
        return call.text(b"the request body ended early", "400 Bad Request")
    note(call.tag, "body", length=total)
    return call.text(b"served a request that should have been refused")

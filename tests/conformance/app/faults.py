"""Applications that raise, at every moment; and one that counts its ``close()``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.conformance.app.journal import note
from tests.conformance.app.registry import Call, app

PLAIN = ("Content-Type", "text/plain")
SECRET = "do-not-show-this-to-clients"
EXCEPTIONS: dict[str, type[BaseException]] = {
    kind.__name__: kind
    for kind in (ValueError, MemoryError, SystemExit, KeyboardInterrupt, GeneratorExit)
}


class Closing:
    """An iterable that notes each ``close()`` and the thread it came from."""

    def __init__(self, call: Call, parts: Iterable[bytes], *, close_raises: bool = False) -> None:
        self.tag = call.tag
        self.parts = iter(parts)
        self.close_raises = close_raises

    def __iter__(self) -> Closing:
        return self

    def __next__(self) -> bytes:
        return next(self.parts)

    def close(self) -> None:
        note(self.tag, "close")
        if self.close_raises:
            raise ValueError(SECRET)


@app("raise")
def raise_(call: Call) -> Iterable[bytes]:
    """``MOMENT-EXCEPTION``: raises at that moment."""
    moment, _, name = call.argument.partition("-")
    kind = EXCEPTIONS[name or "ValueError"]
    if moment == "before":
        raise kind(SECRET)
    sized = [("Content-Length", "20")] if moment == "sized" else []
    writer = call.start_response("200 OK", [PLAIN, *sized])
    if moment == "after":
        raise kind(SECRET)
    if moment == "write":
        writer(b"x" * 10)
        raise kind(SECRET)
    return Closing(call, _parts(moment, kind))


def _parts(moment: str, kind: type[BaseException]) -> Iterator[bytes]:
    if moment == "first":
        raise kind(SECRET)
    yield b"" if moment == "empty" else b"x" * 10
    raise kind(SECRET)


@app("close")
def close(call: Call) -> Iterable[bytes]:
    """``STATUS`` or ``raises``: counts close() for a reply that goes well."""
    raises = call.argument == "raises"
    status = "200 OK" if raises else f"{call.argument} Status"
    call.start_response(status, [PLAIN])
    return Closing(call, [b"ab", b"cd"], close_raises=raises)


@app("close-unstarted")
def close_unstarted(call: Call) -> Iterable[bytes]:
    """Never calls start_response, but its iterable must be closed all the same."""
    return Closing(call, [b"ab"])


@app("endless")
def endless(call: Call) -> Iterable[bytes]:
    """Goes on until its client's departure ends it (or, to be safe, for a gigabyte)."""
    call.start_response("200 OK", [PLAIN])
    return Closing(call, (b"e" * 65536 for _ in range(16384)))

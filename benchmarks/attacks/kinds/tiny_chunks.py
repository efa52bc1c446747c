"""Uploads in chunks of three bytes that go to disk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.attacks.attack import Attack, Ground, Row
from benchmarks.attacks.wire import head

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = head("POST", "/upload", b"Transfer-Encoding: chunked")
PIECE = b"3\r\nabc\r\n" * 16_384
PIECES = 512
"""64 MiB on the wire per request, 24 MiB of them body."""


class TinyChunks(Attack):
    def __init__(self, ground: Ground, clients: int) -> None:
        super().__init__(ground)
        self._count = ground.count(clients)

    def set_up(self) -> None:
        self.enlist(uploads() for _ in range(self._count))

    def run(self) -> None:
        self.drive()


def uploads() -> Iterator[bytes]:
    while True:
        yield HEAD
        for _ in range(PIECES):
            yield PIECE
        yield b"0\r\n\r\n"


ROWS = tuple(
    Row(
        f"tiny-chunks-{clients}",
        f"{clients} upload{'s' * (clients > 1)} in 3-byte chunks to disk",
        partial(TinyChunks, clients=clients),
        settings={"inbuf-overflow": "65536"},
    )
    for clients in (1, 4, 60)
)

"""Large uploads that lie on disk when their clients reset them, all at the same moment."""

from __future__ import annotations

import time

from benchmarks.attacks.attack import Attack, Row
from benchmarks.attacks.wire import head, reset

CLIENTS = 4
PIECE = b"x" * (1 << 20)
PIECES = 286
"""300 MB."""
ANNOUNCED = 400_000_000
WATCHED_SECONDS = 2.0


class AbortedUploads(Attack):
    def set_up(self) -> None:
        first = head("POST", "/upload", b"Content-Length: %d" % ANNOUNCED)
        self.enlist([[first] + [PIECE] * self.ground.count(PIECES)] * CLIENTS, reads=False)

    def run(self) -> None:
        left = self.ground.left()
        self.drive(seconds=left - min(WATCHED_SECONDS, left / 2))
        for client in self.clients:
            reset(client.connection)
        time.sleep(min(WATCHED_SECONDS, self.ground.left()))


ROWS = (
    Row(
        "aborted-uploads",
        f"{CLIENTS} uploads, each reset after 300 MB",
        AbortedUploads,
        settings={"inbuf-overflow": "65536"},
        stretch=2.0,
    ),
)

"""Readers that let a streamed reply of small chunks pile up, and then take it all at once."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.attacks.attack import Attack, Ground, Row
from benchmarks.attacks.wire import head

DRIPS = 3_000_000
"""Chunks of one byte per reply, six bytes each on the wire."""
END = b"0\r\n\r\n"


class LateReaders(Attack):
    def __init__(self, ground: Ground, clients: int) -> None:
        super().__init__(ground)
        self._count = clients
        self._ask = head("GET", f"/drips/{ground.count(DRIPS)}")

    def set_up(self) -> None:
        self.enlist([[self._ask]] * self._count, reads=False)

    def run(self) -> None:
        self.drive()
        time.sleep(self.ground.left() / 2)
        for client in self.clients:
            client.reads = True
        self.drive(lambda client: client.tail.endswith(END))


ROWS = tuple(
    Row(
        f"late-readers-{clients}",
        f"{clients} late reader{'s' * (clients > 1)} of replies in 1-byte chunks",
        partial(LateReaders, clients=clients),
        settings={"threads": "8"},
        stretch=2.0,
    )
    for clients in (1, 4)
)

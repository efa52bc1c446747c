"""Uploads that begin and never end."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.attacks.attack import Attack, Ground, Row
from benchmarks.attacks.wire import head

LENGTH = 1_048_576


class Unfinished(Attack):
    """Connections that announce a mebibyte, send a part of it, and stay."""

    def __init__(self, ground: Ground, clients: int, sent: int) -> None:
        super().__init__(ground)
        self._count = ground.count(clients)
        self._sent = head("POST", "/upload", b"Content-Length: %d" % LENGTH) + b"x" * sent

    def set_up(self) -> None:
        self.enlist([[self._sent]] * self._count, reads=False)

    def run(self) -> None:
        self.drive()
        time.sleep(self.ground.left())


ROWS = (
    Row(
        "unfinished-uploads",
        "700 unfinished uploads of 0.65 MB, descriptor limit 1,024",
        partial(Unfinished, clients=700, sent=650_000),
        files=1024,
        stretch=1.5,
    ),
    Row(
        "unfinished-small",
        "650 unfinished uploads of 9 KB, address space 1 GB",
        partial(Unfinished, clients=650, sent=9_000),
        address_space=1_000_000_000,
    ),
)

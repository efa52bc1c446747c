"""Readers of large replies who take half a kilobyte a second."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.attacks.attack import Attack, Ground, Row
from benchmarks.attacks.wire import head

if TYPE_CHECKING:
    import socket

SMALL_BUFFER = 4096
TAKEN = 512


class SlowReaders(Attack):
    def __init__(self, ground: Ground, clients: int, view: str, mib: int) -> None:
        super().__init__(ground)
        self._count = clients
        self._ask = head("GET", f"/{view}/{ground.count(mib)}")

    def set_up(self) -> None:
        self.enlist([[self._ask]] * self._count, reads=False, window=SMALL_BUFFER)

    def run(self) -> None:
        self.drive()
        self.each_second([client.connection for client in self.clients], take)


def take(connection: socket.socket) -> int:
    data = connection.recv(TAKEN)
    if not data:
        raise ConnectionResetError("closed by the server")
    return len(data)


ROWS = (
    Row(
        "slow-readers",
        "40 slow readers of replies of 8 MiB handed over whole",
        partial(SlowReaders, clients=40, view="whole", mib=8),
    ),
    Row(
        "slow-streams",
        "8 slow readers of streams of 200 MiB, descriptor limit 1,024",
        partial(SlowReaders, clients=8, view="stream", mib=200),
        settings={"threads": "12"},
        files=1024,
        stretch=1.5,
    ),
)

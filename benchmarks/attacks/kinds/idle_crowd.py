"""A crowd of idle connections beside a monitor that asks for /metrics without a pause."""

from __future__ import annotations

import resource
import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.attacks.attack import Attack, Row
from benchmarks.attacks.wire import head
from benchmarks.clients.hostile import Crowd

if TYPE_CHECKING:
    from benchmarks.attacks.wire import Client

CONNECTIONS = 10_000
SCRAPE = head("GET", "/metrics")
SPARE_FILES = 200


class IdleCrowd(Attack):
    def set_up(self) -> None:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # The server has the same limit, and takes connections for three quarters of it.
        wanted = min(self.ground.count(CONNECTIONS), files * 3 // 4 - SPARE_FILES)
        self._crowd = Crowd("idle", self.ground.port)
        self._crowd.gather(wanted)
        self.tally["idle connections"] = len(self._crowd.standing)
        self.enlist([()], port=self.ground.admin)

    def run(self) -> None:
        asked = 0
        while not self.ground.over() and any(client.events() for client in self.clients):
            asked += 1
            self.clients[0].ask(SCRAPE)
            self.drive(partial(has_replies, asked))
        time.sleep(self.ground.left())

    def stop(self) -> None:
        super().stop()
        for connection in self._crowd.standing:
            connection.close()


def has_replies(count: int, client: Client) -> bool:
    return client.replies >= count


ROWS = (
    Row(
        "idle-crowd",
        f"{CONNECTIONS:,} idle connections, a monitor that asks for /metrics without a pause",
        IdleCrowd,
        ours=True,
        stretch=3.0,
    ),
)

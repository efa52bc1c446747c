"""Requests that are reset while they wait behind one that stays, every worker being stuck."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from benchmarks.attacks.attack import Attack, Row
from benchmarks.attacks.wire import connect, head, reset

if TYPE_CHECKING:
    import socket

WORKERS = 4
REQUESTS = 100_000
WAITING = 50
"""How many wait at once."""
REQUEST = head("GET", "/")


class ResetQueue(Attack):
    def set_up(self) -> None:
        stuck = head("GET", f"/sleep/{self.ground.left():.2f}")
        plans = [[stuck]] * WORKERS + [[REQUEST]]
        self.enlist(plans, reads=False)
        self.drive()

    def run(self) -> None:
        waiting: list[socket.socket] = []
        for _ in range(self.ground.count(REQUESTS)):
            if self.ground.over():
                break
            with contextlib.suppress(OSError):
                waiting.append(connect(self.ground.port))
                self.tally["bytes sent"] += waiting[-1].send(REQUEST)
                self.tally["requests"] += 1
            if len(waiting) >= WAITING:
                reset(waiting.pop(0))
        for connection in waiting:
            reset(connection)
        time.sleep(self.ground.left())


ROWS = (
    Row(
        "reset-queue",
        f"{REQUESTS:,} requests, reset while they wait behind a stuck head",
        ResetQueue,
        probes=("health", "admin"),
        stretch=3.0,
    ),
)

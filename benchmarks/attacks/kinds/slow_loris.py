"""Heads that never end, a byte per second each."""

from __future__ import annotations

from benchmarks.attacks.attack import Attack, Row
from benchmarks.clients.hostile import Crowd

CONNECTIONS = 2_000


class SlowLoris(Attack):
    def set_up(self) -> None:
        self._crowd = Crowd("drip", self.ground.port)
        self._crowd.gather(self.ground.count(CONNECTIONS))
        self.tally["connections"] = len(self._crowd.standing)

    def run(self) -> None:
        self.each_second(self._crowd.standing, lambda connection: connection.send(b"x"))

    def stop(self) -> None:
        for connection in self._crowd.standing:
            connection.close()


ROWS = (Row("slow-loris", f"{CONNECTIONS:,} heads that never end", SlowLoris),)

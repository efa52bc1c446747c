"""Pipelines of requests whose replies nobody reads."""

from __future__ import annotations

import itertools
import time

from benchmarks.attacks.attack import Attack, Row
from benchmarks.attacks.wire import head

CLIENTS = 50
BATCH = head("GET", "/") * 1000


class Pipelines(Attack):
    def set_up(self) -> None:
        count = self.ground.count(CLIENTS)
        self.enlist((itertools.repeat(BATCH) for _ in range(count)), reads=False)

    def run(self) -> None:
        self.drive()
        time.sleep(self.ground.left())


ROWS = (Row("pipelines", f"{CLIENTS} pipelines that nobody reads", Pipelines),)

"""Header names of a quarter of a megabyte, each another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.attacks.attack import Attack, Row
from benchmarks.attacks.wire import head

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = 4
REQUESTS = 600
NAME_BYTES = 240_000


class InventedNames(Attack):
    def set_up(self) -> None:
        self._each = self.ground.count(REQUESTS // CLIENTS)
        self.enlist(self._requests(number) for number in range(CLIENTS))

    def run(self) -> None:
        self.drive(lambda client: client.replies >= self._each)

    def _requests(self, client: int) -> Iterator[bytes]:
        for number in range(self._each):
            name = b"x-%d-%d-" % (client, number)
            yield head("GET", "/", name.ljust(NAME_BYTES, b"n") + b": v")


ROWS = (
    Row(
        "invented-names",
        f"{REQUESTS} heads with a name of 240 KB, each another one",
        InventedNames,
    ),
)

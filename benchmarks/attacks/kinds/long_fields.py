"""Heads whose User-Agent is a quarter of a megabyte that an access log has to escape."""

from __future__ import annotations

from functools import partial

from benchmarks.attacks.attack import Attack, Ground, Row
from benchmarks.attacks.wire import head

CLIENTS = 20
REQUESTS = 500
LONG = head("GET", "/", b"User-Agent: " + b"\xff" * 261_000)


class LongFields(Attack):
    """As many requests as `requests`, spread over the connections."""

    def __init__(self, ground: Ground, requests: int) -> None:
        super().__init__(ground)
        self._each = ground.count(requests // CLIENTS)

    def set_up(self) -> None:
        self.enlist([[LONG] * self._each] * CLIENTS)

    def run(self) -> None:
        self.drive(lambda client: client.replies >= self._each)


ROWS = tuple(
    Row(
        f"long-fields-{form}",
        f"{REQUESTS} heads of 256 KiB of 0xff, access log {form}",
        partial(LongFields, requests=REQUESTS),
        settings={"access-log": "{directory}/access.log", "access-log-format": form},
        ours=True,
        stretch=2.0,
    )
    for form in ("combined", "json")
)

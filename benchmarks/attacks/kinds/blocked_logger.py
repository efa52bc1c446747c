"""Long heads for a Python logger whose handler is blocked."""

from __future__ import annotations

import contextlib
from functools import partial

from benchmarks.attacks.attack import Row
from benchmarks.attacks.kinds.long_fields import LongFields
from benchmarks.process import exchange, request

REQUESTS = 1000
RELEASE_SECONDS = 20.0


class BlockedLogger(LongFields):
    def set_up(self) -> None:
        exchange(self.ground.port, request("GET", "/block"))
        super().set_up()

    def stop(self) -> None:
        super().stop()
        with contextlib.suppress(OSError):
            exchange(self.ground.port, request("GET", "/release"), RELEASE_SECONDS)


ROWS = (
    Row(
        "blocked-logger",
        f"{REQUESTS:,} heads of 256 KiB, access_log=logger with a blocked handler",
        partial(BlockedLogger, requests=REQUESTS),
        settings={"access-log": "logger"},
        ours=True,
        stretch=2.0,
    ),
)

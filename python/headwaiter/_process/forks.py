"""The end of a child that the application forked and that came back to the server.

A child shares its parent's connections and none of its threads, so there is nothing that it could
serve. It ought to leave by ``os._exit`` itself; one that returns from the application, or raises
out of it, is made to leave here. The client gets the parent's reply alone.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from headwaiter._process import logs


def leave(error: BaseException | None) -> NoReturn:
    """End this process, with the status of ``SystemExit`` if ``error`` is one, else with 1."""
    status = 1
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    else:
        logs.logger().error(
            "a child that the application forked came back to the server; it has to leave by"
            " os._exit or sys.exit",
            exc_info=error,
        )
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # none, broken, or closed
            continue
    os._exit(status & 0xFF)

"""Ends a child that the application forked and that returned to the server.

A child has its parent's connections but none of its threads, so it cannot serve. The application
should end it by ``os._exit``. A child that returns from the application instead, or raises, ends
here. The client gets only the parent's reply.
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

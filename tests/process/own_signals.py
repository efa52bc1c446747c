"""An application with handlers of its own for signals that mean something to a parent."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from tests.support.apps import hello as app

__all__ = ["app"]


def say(number: int, _frame: FrameType | None) -> None:
    print(f"own {signal.Signals(number).name}", file=sys.stderr, flush=True)


for name in ("SIGHUP", "SIGUSR2"):
    signal.signal(signal.Signals[name], say)

"""Waiting for what tells nobody that it happened."""

from __future__ import annotations

import threading
import time
from typing import Callable

from .http import TIMEOUT


def pause(seconds: float) -> None:
    """Lets time pass, where the passing itself is the subject or nothing can be awaited."""
    threading.Event().wait(seconds)


def eventually(test: Callable[[], bool], what: str, timeout: float = TIMEOUT) -> None:
    """Asks again every 10 ms until ``test`` is true."""
    end = time.monotonic() + timeout
    while not test():
        assert time.monotonic() < end, f"{timeout:g} s passed before: {what}"
        pause(0.01)

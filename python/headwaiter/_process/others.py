"""Signals that mean something to a parent process, in a server that has none.

People who come from other servers send them, and so do unit files. The default action of each would
end or suspend the process without a word. ``server.py`` takes them on the command line only: a
program that calls ``serve`` decides about its own signals. Rule: nothing that is not a stop ends a
server.
"""

from __future__ import annotations

import logging
import signal
import sys
from typing import Callable

from headwaiter._process import logs, signals

PARENT = "start it with --processes=2, or with --control=PATH"
MEANINGS = {
    "SIGHUP": f"it cannot reload itself, and goes on as it was. Restart it, or {PARENT}: then"
    " SIGHUP reloads it",
    "SIGUSR1": "it has no access log in a file that could be reopened",
    "SIGUSR2": f"it cannot be upgraded in place, and goes on as it was. For that {PARENT}",
    "SIGTTIN": f"it cannot have one process more. For that {PARENT}",
    "SIGTTOU": "it cannot have one process fewer",
}
OF_TERMINALS = ("SIGTTIN", "SIGTTOU")
"""A terminal sends these, too, each time that a background process uses it."""


class Others:
    """The signals of one server. ``stop`` stops it."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._has_terminal = sys.platform != "win32" and signals.has_terminal()

    def numbers(self) -> list[int]:
        """The signals to take, unless somebody else handles them."""
        names = [name for name in MEANINGS if hasattr(signal, name)]
        if self._has_terminal:
            names = [name for name in names if name not in OF_TERMINALS]
        return [int(signal.Signals[name]) for name in names]

    def heard(self, number: int) -> None:
        """Log what the signal does; called on the main thread."""
        name = signal.Signals(number).name
        if sys.platform != "win32" and name == "SIGHUP":
            if self._has_terminal and not signals.has_terminal():
                logs.post(logging.INFO, "SIGHUP of a terminal that is closed: finishing")
                self._stop()
                return
        text = f"{name}: this server is one process: {MEANINGS[name]}"
        logs.post(logging.WARNING, text)

"""The upgrade of headwaiter in a running server, on the side of the new version.

``_upgraded.py`` calls :func:`check` in a trial, then :func:`run` in the parent itself. The sockets,
the page and the children are those of the old version; the settings are read anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, Callable

from headwaiter import _headwaiter
from headwaiter._parent import start
from headwaiter._parent.listening import Listening
from headwaiter._parent.machine import Machine
from headwaiter._parent.state import StateError
from headwaiter._process import interpreter
from headwaiter._process.exits import StartError
from headwaiter._settings.adjustments import Adjustments


def check(state: dict[str, Any], adjustments: Adjustments) -> None:
    """Try to read the state, without a change to the running server.

    Raises:
        StateError: This version cannot go on with it.
    """
    try:
        page = _headwaiter.Page(fileno=state["children"]["page"])
        config, _ = start.configured(adjustments, page.slots)
        Machine(config, time.monotonic(), state["machine"])
    except OSError as error:
        raise StateError(f"{error}: restart the server instead") from None
    except (LookupError, TypeError, ValueError) as error:
        raise StateError(f"the state of the server is incomplete: {error!r}") from None


def run(
    state: dict[str, Any],
    arguments: Sequence[str],
    adjustments: Adjustments,
    reread: Callable[[], Adjustments],
) -> int:
    """Go on with the server of this state, and replace its children; return the exit status.

    Raises:
        StartError: The system refuses something.
    """
    adjustments.pid_file = state["pid_file"]
    adjustments.control = state["control"]["path"] if state["control"] else None
    try:
        listeners = _headwaiter.Listeners(
            [("fd", descriptor) for descriptor in state["listeners"]],
            [("fd", descriptor) for descriptor in state["admin"]],
            backlog=adjustments.backlog,
            unix_socket_perms=adjustments.unix_socket_perms,
            files=[(path, inode) for path, inode in state["files"]],
        )
        listening = Listening(listeners, adjustments, state)
        page = _headwaiter.Page(fileno=state["children"]["page"])
    except OSError as error:
        raise StartError(f"cannot go on after the upgrade: {error}") from None
    for descriptor in (*state["listeners"], *state["admin"], state["children"]["page"]):
        os.close(descriptor)  # the extension has duplicates
    command = interpreter.command("headwaiter._child")
    return start.serve(command, arguments, adjustments, reread, listening, page, adopted=state)

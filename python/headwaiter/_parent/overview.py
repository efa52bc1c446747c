"""The admin endpoint of the parent: the extension's ``Overview``, its questions and the answers.

The endpoint has no thread: the loop calls :meth:`Admin.turn` when :meth:`Admin.fileno` is readable
or :meth:`Admin.timeout` has passed. Children answer on a thread that does not need their GIL.
"""

from __future__ import annotations

import logging
from typing import Any

from headwaiter import _headwaiter
from headwaiter._parent.children import Children
from headwaiter._parent.machine import Machine
from headwaiter._process import logs


class Admin:
    def __init__(
        self, listeners: _headwaiter.Listeners, settings: dict[str, Any], children: Children
    ) -> None:
        self._overview = _headwaiter.Overview(listeners, settings)
        self._children = children
        self._told: object = None

    def state(self) -> str:
        """The figures, for the next version of the program."""
        return self._overview.remember()

    def adopt(self, figures: str) -> None:
        """Go on with the figures of this :meth:`state`."""
        try:
            self._overview.resume(figures)
        except OSError as error:
            logs.post(logging.WARNING, f"upgrade: the figures begin anew: {error}")

    def pause(self) -> None:
        """Leave new connections in the backlog."""
        self._overview.pause()

    def go_on(self) -> None:
        """Accept connections again."""
        self._overview.go_on()

    @property
    def is_quiet(self) -> bool:
        """Whether no connection has a request that has not been answered."""
        return self._overview.quiet

    def fileno(self) -> int:
        return self._overview.fileno()

    def timeout(self) -> float | None:
        return self._overview.timeout()

    def turn(self, machine: Machine) -> None:
        """Serve, and pass new questions on to the children."""
        self._tell(machine)
        for what, number in self._overview.turn():
            asked = [child for child in self._children.by_slot.values() if not child.is_lost]
            for child in asked:
                child.channel.send({"do": what, "n": number})
            if not asked:
                self._overview.done(number)

    def _tell(self, machine: Machine) -> None:
        """Tell the overview which processes there are, if that has changed."""
        children = [
            (slot, process.popen.pid, machine.children[slot].phase.value)
            for slot, process in self._children.by_slot.items()
        ]
        news = (children, machine.restarts, machine.stopping)
        if news != self._told:
            self._told = news
            self._overview.set_children(children)
            self._overview.set_server(machine.restarts, machine.stopping)

    def heard(self, slot: int, message: dict[str, Any]) -> None:
        """A child answers a question, or tells its last figures."""
        did = message["did"]
        if did == "last":
            self._overview.retire(slot, str(message["text"]))
        elif did in ("figures", "stacks"):
            self._overview.supply(message["n"], slot, str(message["text"]))

    def retire(self, slot: int) -> None:
        """A child is gone. What it told last stays in the sums."""
        self._overview.retire(slot, None)

    def close(self) -> None:
        self._overview.close()

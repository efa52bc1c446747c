"""The part of the machine that every other part uses: children, their slots and their ends."""

from __future__ import annotations

import logging
import signal

from headwaiter._parent.actions import Action, Kill, Log, Notify, Start, Tell
from headwaiter._parent.child import Child, Config, Phase, Place

GRACE = 10.0
"""How much longer than ``shutdown_timeout`` a child may take to leave."""
ABORT_PATIENCE = 5.0
"""How long an aborted child may take, for example to write its core."""
PING_PATIENCE = 10.0
SLOW_START = 30.0
FROZEN = 1.0
"""The parent itself stood still if it wakes by so much later than it had to."""


class Core:
    def __init__(self, config: Config, now: float) -> None:
        self.config = config
        self.now = now
        self.children: dict[int, Child] = {}
        self.places: list[Place] = []
        self.epoch = 0
        """Counts the reloads; a child of an earlier epoch is to be replaced."""
        self.stopping = False
        self._actions: list[Action] = []
        self._status_told = ""

    def take_actions(self) -> list[Action]:
        """What is to be done, in this order. Each action is returned once."""
        actions, self._actions = self._actions, []
        return actions

    def ready(self) -> list[Child]:
        return [child for child in self.children.values() if child.phase is Phase.READY]

    def _do(self, action: Action) -> None:
        self._actions.append(action)

    def _log(self, level: int, text: str) -> None:
        self._do(Log(level, text))

    def _note(self, text: str) -> None:
        """Log a step of a replacement. In development there are too many."""
        self._log(logging.DEBUG if self.config.development else logging.INFO, text)

    def _pass(self, now: float) -> None:
        """Time has passed until ``now``.

        If the parent itself stood still, its children get that time on top: they could not answer.
        """
        judged = [child.judged_at() for child in self.children.values()]
        late = now - min(judged, default=now)
        if late > FROZEN:
            for child in self.children.values():
                child.extend(late)
        self.now = now

    def _free_slot(self) -> int | None:
        return next((n for n in range(self.config.slots) if n not in self.children), None)

    def _place_of(self, child: Child) -> Place | None:
        for place in self.places:
            if child in (place.current, place.successor):
                return place
        return None

    def _start(self) -> Child | None:
        """Start a child; ``None`` while no slot is free."""
        slot = self._free_slot()
        if slot is None:
            return None
        child = Child(slot, self.now, self.epoch, warn_at=self.now + SLOW_START)
        self.children[slot] = child
        self._do(Start(slot))
        return child

    def _leave(self, child: Child) -> None:
        """Let the child finish what it received, and exit.

        A child that does not serve yet exits at once. Only the child knows: its message that it is
        ready may be on its way.
        """
        self._part(child)
        self._do(Tell(child.slot, "drain"))
        self._end_in(child, self.config.shutdown_timeout + GRACE)

    def _part(self, child: Child) -> None:
        child.phase = Phase.LEAVING
        child.ping_at = child.pinged_at = child.warn_at = child.expires_at = None

    def _end_in(self, child: Child, seconds: float) -> None:
        """Abort the child after ``seconds``, then kill it."""
        child.signals = [signal.SIGABRT, signal.SIGKILL]
        child.end_at = self.now + seconds

    def _signal(self, child: Child) -> None:
        number = child.signals.pop(0)
        name = signal.Signals(number).name
        self._log(logging.ERROR, f"process {child.slot} does not end: {name}")
        self._do(Kill(child.slot, number))
        child.end_at = self.now + ABORT_PATIENCE if child.signals else None

    def _tell_status(self) -> None:
        states = [child.phase for child in self.children.values()]
        parts = [f"{states.count(phase)} {phase.value}" for phase in Phase if phase in states]
        status = f"STATUS={', '.join(parts) or 'none'}; {len(self.places)} wanted"
        if status != self._status_told:
            self._status_told = status
            self._do(Notify(status))

"""The part of the machine that every other part uses: children, their slots and their ends."""

from __future__ import annotations

import logging
import signal

from headwaiter._parent.actions import Action, Kill, Log, Notify, Start, Tell
from headwaiter._parent.child import Child, Config, Phase, Place, Template

GRACE = 10.0
"""How much longer than ``shutdown_timeout`` a child may take to leave."""
ABORT_PATIENCE = 5.0
"""How long an aborted child may take, for example to write its core."""
PING_PATIENCE = 10.0
SLOW_START = 30.0
FROZEN = 1.0
"""The parent itself stood still if it wakes by so much later than it had to."""

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0


class Core:
    def __init__(self, config: Config, now: float) -> None:
        self.config = config
        self.now = now
        self.children: dict[int, Child] = {}
        self.templates: dict[int, Template] = {}
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
        processes = [*self.children.values(), *self.templates.values()]
        judged = [process.judged_at() for process in processes]
        late = now - min(judged, default=now)
        if late > FROZEN:
            for process in processes:
                process.extend(late)
        self.now = now

    def _free_slot(self) -> int | None:
        return next((n for n in range(self.config.slots) if n not in self.children), None)

    def _source(self) -> Template | None:
        """The template that forks the next child."""
        ready = [each for each in self.templates.values() if each.phase is Phase.READY]
        newest = max(ready, key=lambda template: template.slot, default=None)
        return newest if self.config.preload else None

    def _can_start(self) -> bool:
        """Whether a slot is free, and a template is ready if one is needed."""
        is_ready = not self.config.preload or self._source() is not None
        return is_ready and self._free_slot() is not None

    def _place_of(self, child: Child) -> Place | None:
        for place in self.places:
            if child in (place.current, place.successor):
                return place
        return None

    def _start(self, place: Place) -> Child | None:
        """Start a child for the place; ``None`` while :meth:`_can_start` is false."""
        slot, source = self._free_slot(), self._source()
        if slot is None or (self.config.preload and source is None):
            return None
        epoch = self.epoch if source is None else source.epoch
        child = Child(slot, self.now, epoch, warn_at=self.now + SLOW_START)
        self.children[slot] = child
        number = None if source is None else source.slot
        self._do(Start(slot, self.places.index(place), number))
        if source is not None:
            source.asked += 1
            source.end_at = source.end_at or self.now + PING_PATIENCE
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
        if any(template.phase is Phase.STARTING for template in self.templates.values()):
            parts.append("a template starting")
        status = f"STATUS={', '.join(parts) or 'none'}; {len(self.places)} wanted"
        if status != self._status_told:
            self._status_told = status
            self._do(Notify(status))


def pause(failures: int) -> float:
    """Seconds before the next start after ``failures`` in a row: 0, then 0.5, 1, 2 ... 30."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 10)) if failures else 0.0


def ended(status: int) -> str:
    """How a child ended, in words."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"

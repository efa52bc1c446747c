"""Decides what happens to the children: a state machine without I/O and without a clock.

``loop.py`` calls a ``handle_*`` method for each event, with the current time in seconds, then
carries out what ``take_actions`` returns, and calls ``handle_time`` again at ``next_time`` at the
latest. ``templates.py`` has the templates, ``stopping.py`` the stop, ``replacing.py`` the
replacement of children, ``adoption.py`` the upgrade.

Words: a *place* is one of the processes that are wanted. A child fills a place; its successor is
ready before it leaves. Rules: at most one place is being replaced at a time, and its old child is
gone before the next one is; nobody but ``core.py`` starts and ends children.
"""

from __future__ import annotations

import logging
from typing import Any

from headwaiter._parent.actions import Exit, Notify, Tell
from headwaiter._parent.adoption import Adoption
from headwaiter._parent.child import Child, Config, Phase, Place, Template
from headwaiter._parent.core import ABORT_PATIENCE, PING_PATIENCE, ended, pause
from headwaiter._parent.templates import SETTLED
from headwaiter._process import exits

PING_EVERY = 5.0
KEPT_DYING = 8
"""With so many deaths in a row in every place, and no child ready, the parent gives up."""


class Machine(Adoption):
    """See the module. The attributes are for reading.

    With ``adopted``, the :meth:`state` of an earlier machine, nothing starts until an event comes.
    """

    def __init__(self, config: Config, now: float, adopted: dict[str, Any] | None = None) -> None:
        super().__init__(config, now)
        self._first_failure: tuple[str, int] | None = None
        self._pings = 0
        if adopted is not None:
            self._adopt(adopted)
            return
        count = 1 if config.adaptive else config.processes
        self.places = [Place(start_at=now) for _ in range(count)]
        self._settle()

    # Events.

    def handle_ready(self, now: float, slot: int, *, gil: bool = True) -> None:
        """The child has loaded the application, and its I/O thread turns."""
        self._pass(now)
        child = self.children[slot]
        if child.phase is not Phase.STARTING:
            return
        child.phase, child.ready_at, child.warn_at = Phase.READY, now, None
        child.ping_at = now + PING_EVERY
        if self.config.max_lifetime is not None:
            child.expires_at = now + self.config.max_lifetime
        self.gil = gil
        if not self.has_served:
            self._has_started()
        place = self._place_of(child)
        if place is not None and place.successor is child:
            self._take_over(place, child)
        self._settle()

    def handle_failed(self, now: float, slot: int, text: str, status: int) -> None:
        """The child says why it cannot start. Its exit follows."""
        self._pass(now)
        child = self.children[slot]
        if child.phase is Phase.STARTING:
            child.failure, child.failed_with = text, status
            self._end_in(child, ABORT_PATIENCE)

    def handle_asks(self, now: float, slot: int, why: str) -> None:
        """The child wants to be replaced.

        After a stop signal the child waits: a terminal sends such a signal to the parent, too,
        and then it is no request.
        """
        self._pass(now)
        child = self.children[slot]
        if not child.asks:
            child.asks = why
            child.heard_at = now + (self.config.same_stop if why.startswith("SIG") else 0.0)
        self._settle()

    def handle_pong(self, now: float, slot: int) -> None:
        self._pass(now)
        self.children[slot].pinged_at = None

    def handle_lost(self, now: float, slot: int) -> None:
        """The control socket has ended: the child exits, or nobody can control it."""
        self._pass(now)
        child = self.children[slot]
        child.ping_at = child.pinged_at = None
        if not child.signals:
            self._end_in(child, ABORT_PATIENCE)

    def handle_exit(self, now: float, slot: int, status: int, running: str = "") -> None:
        """The child is gone. ``status`` is negative for a signal; ``running`` names the requests
        that the child was running."""
        self._pass(now)
        child = self.children.pop(slot)
        text = f"process {slot} {ended(status)}"
        place = self._place_of(child)
        if self.stopping:
            self._left_in_stop(child, text + running, status)
        elif place is None:
            self._left(child, text + running, status)
        elif child.phase is Phase.READY:
            self._died(place, child, text + running)
        else:
            self._failed_to_start(place, child, child.failure or f"{text} while it started")
        self._settle()

    def handle_reopen(self, now: float) -> None:
        """Every child reopens its logs."""
        self._pass(now)
        for slot in self.children:
            self._do(Tell(slot, "reopen"))

    def handle_scale(self, now: float, wanted: int) -> None:
        """The number of processes changes, within 1 and one less than there are slots."""
        self._pass(now)
        if not self.stopping:
            self._set_wanted(wanted)
        self._settle()

    def handle_rescale(self, now: float) -> None:
        """The number of processes in the settings has changed."""
        self.handle_scale(
            now, 1 if self.config.adaptive and not self.gil else self.config.processes
        )

    def handle_time(self, now: float) -> None:
        """Do what is due."""
        self._pass(now)
        for child in list(self.children.values()):
            self._child_time(child)
        for template in self.templates.values():
            self._template_time(template)
        if self.stopping:
            self._stop_time()
        self._settle()

    # Questions.

    def next_time(self) -> float | None:
        """When ``handle_time`` is due next; ``None`` without a bound."""
        times = [self._drain_at]
        for child in self.children.values():
            times += [child.end_at, child.warn_at, child.ping_at]
            if child.pinged_at is not None:
                times.append(child.pinged_at + PING_PATIENCE)
        times += self._template_times()
        if not self.stopping:
            times.append(self._replace_time())
            if self._can_start():
                times += [place.start_at for place in self.places]
        return min((time for time in times if time is not None), default=None)

    # What follows from events.

    def _has_started(self) -> None:
        self.has_served = True
        self._do(Notify("READY=1"))
        if self._first_failure is not None:
            self._log(logging.ERROR, self._first_failure[0])
        if self.config.adaptive and self.gil:
            self._log(logging.INFO, "the GIL is on: one process per core")
            self._set_wanted(self.config.processes)
        for place in self.places:
            if place.current is None:  # its first child has failed
                self._start_later(place)

    def _child_time(self, child: Child) -> None:
        now = self.now
        if child.warn_at is not None and child.warn_at <= now:
            waited = now - child.began
            text = f"process {child.slot} has been starting for {waited:.0f} s"
            self._log(logging.WARNING, text)
            child.warn_at = now + waited
        if child.pinged_at is not None and child.pinged_at + PING_PATIENCE <= now:
            text = f"process {child.slot}: no I/O thread answered for {PING_PATIENCE:.0f} s"
            self._log(logging.ERROR, text)
            child.pinged_at = child.ping_at = None
            self._end_in(child, 0.0)
        if child.ping_at is not None and child.ping_at <= now:
            child.ping_at = now + PING_EVERY
            if child.pinged_at is None:
                child.pinged_at = now
                self._pings += 1
                self._do(Tell(child.slot, "ping", self._pings))
        if child.end_at is not None and child.end_at <= now:
            self._signal(child)

    def _died(self, place: Place, child: Child, text: str) -> None:
        self.restarts += 1
        self._log(logging.ERROR, text)
        if child.ready_at is not None and self.now - child.ready_at >= SETTLED:
            place.deaths = 0
        place.current, place.successor = place.successor, None
        if self._replaced is place:
            self._replaced = None  # the successor fills the place when it is ready
        if place.current is None:
            self._start_later(place)

    def _failed_to_start(self, place: Place, child: Child, text: str) -> None:
        if place.successor is child:
            self._successor_failed(place, child, text)
            return
        place.current = None
        if self.config.development:
            if not self._fail_reload(child, text):
                self._log(logging.ERROR, text)
            return
        if not self.has_served:
            self._first_failure = self._first_failure or (text, child.failed_with)
            if all(place.current is None for place in self.places):
                text, status = self._first_failure
                self.stopping = True
                self._do(Exit(status, text))
            return
        if not self._fail_reload(child, text):
            self._log(logging.ERROR, text)
        self._start_later(place)

    def _start_later(self, place: Place) -> None:
        place.start_at = self.now + pause(place.deaths)
        place.deaths += 1
        if self.config.development:
            return
        if not self.ready() and all(place.deaths > KEPT_DYING for place in self.places):
            self._log(logging.CRITICAL, "processes keep dying, and none is ready: giving up")
            self._stop(exits.KEPT_DYING)

    def _template_died(self, template: Template, text: str) -> None:
        if not self.has_served and not self.children:
            self.stopping = True
            self._do(Exit(template.failed_with, text))
            return
        if template.ready_at is not None or not self._fail_reload(template, text):
            self._log(logging.ERROR, text)
        if not self.ready() and self._template_deaths > KEPT_DYING:
            self._log(logging.CRITICAL, "templates keep dying, and no process is ready: giving up")
            self._stop(exits.KEPT_DYING)

    def _set_wanted(self, wanted: int) -> None:
        wanted = max(1, min(wanted, self.config.slots - 1))
        while len(self.places) > wanted:
            place = self.places.pop()
            if self._replaced is place:
                self._replaced = None
            for child in (place.current, place.successor):
                if child is not None:
                    self._leave(child)
        self.places += [Place(start_at=self.now) for _ in range(wanted - len(self.places))]

    def _settle(self) -> None:
        if not self.stopping:
            for place in self.places:
                if place.start_at is not None and place.start_at <= self.now:
                    place.current = self._start(place)
                    if place.current is not None:
                        place.start_at = None
            self._replace()
            self._settle_templates(reloading=self.reloading)
        self._tell_status()

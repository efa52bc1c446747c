"""The machine's replacement of children: by a reload, at their request, after ``max_lifetime``.

One place at a time: the successor starts and is ready, then the old child leaves; when that one is
gone the next place is due.
"""

from __future__ import annotations

import logging
import math

from headwaiter._parent.actions import Notify, Reloaded
from headwaiter._parent.child import Child, Config, Phase, Place
from headwaiter._parent.core import pause
from headwaiter._parent.stopping import Stops

BEHIND = 0.5
"""In development a new child waits so long for the old one, whose ports and files it may need."""


class Replacements(Stops):
    def __init__(self, config: Config, now: float) -> None:
        super().__init__(config, now)
        self.has_served = False
        self.reloading = False
        self.reload_error = ""
        """Why the last reload failed; empty if it did not."""
        self._replaced: Place | None = None
        """The place whose successor starts."""
        self._leaver: Child | None = None
        """The child that has been replaced and leaves."""
        self._failures = 0
        self._retry_at = -math.inf

    def handle_refused(self, now: float, text: str) -> None:
        """The settings for a reload are wrong: everything stays as it is."""
        self._pass(now)
        if self.stopping:
            return
        self._log(logging.ERROR, f"the reload failed; the earlier processes go on\n{text}")
        if self.reloading:
            return
        if self.has_served:  # the service manager waits for both messages
            self._do(Notify("RELOADING=1"))
            self._end_reload(text)
        else:
            self._do(Reloaded(text))

    def handle_reload(self, now: float, config: Config | None = None) -> None:
        """Replace every child, so that all have the configuration and the application anew.

        Children that are starting have read the earlier ones: they are started again. ``config``
        has the settings from now on.
        """
        self._pass(now)
        if self.stopping:
            return
        self._note("reload: every process is replaced")
        self.config = config or self.config
        self.epoch += 1
        self._retry_at = -math.inf
        self._renew_template()
        if not self.reloading:
            self.reloading = True
            self._do(Notify("RELOADING=1"))
        self._give_up_successor()
        for place in self.places:
            current, all_leave = place.current, self.config.development
            if current is not None and (all_leave or current.phase is Phase.STARTING):
                self._leave(current)
                place.current, place.start_at = None, now
        if self.config.development:
            self._start_behind_leavers()
        self._settle()

    def _start_behind_leavers(self) -> None:
        """Start a child in every empty place when those that leave are gone, or soon."""
        leave = any(child.phase is Phase.LEAVING for child in self.children.values())
        for place in self.places:
            if place.current is None:
                place.start_at, place.deaths = self.now + (BEHIND if leave else 0.0), 0

    def _replace(self) -> None:
        """Begin to replace the next child that is due."""
        if self._replaced is not None or self._leaver is not None or not self._can_replace():
            return
        if self._retry_at <= self.now:
            for place in self.places:
                if place.current is not None and self._due(place.current) <= self.now:
                    place.successor = self._start(place)
                    if place.successor is not None:
                        self._replaced = place
                        self._log(logging.INFO, self._reason(place.current, place.successor))
                    return
        if self.reloading and all(self._is_new(place.current) for place in self.places):
            self._end_reload("")

    def _replace_time(self) -> float | None:
        if self._replaced is not None or self._leaver is not None or not self._can_replace():
            return None
        due = [self._due(place.current) for place in self.places if place.current is not None]
        soonest = max(min(due, default=math.inf), self._retry_at)
        return None if soonest == math.inf else soonest

    def _can_replace(self) -> bool:
        """Whether a successor can start; after a reload has begun, from the new template."""
        source = self._source()
        return self._can_start() and (source is None or source.epoch == self.epoch)

    def _due(self, child: Child) -> float:
        """When the child is to be replaced."""
        if child.phase is not Phase.READY:
            return math.inf
        if child.epoch < self.epoch:
            return -math.inf
        expires = math.inf if child.expires_at is None else child.expires_at
        return min(expires, child.heard_at) if child.asks else expires

    def _reason(self, child: Child, successor: Child) -> str:
        why = "reload" if child.epoch < self.epoch else child.asks or "max_lifetime"
        return f"process {child.slot} is replaced by process {successor.slot}: {why}"

    def _is_new(self, child: Child | None) -> bool:
        return child is not None and child.phase is Phase.READY and child.epoch == self.epoch

    def _take_over(self, place: Place, successor: Child) -> None:
        """The successor is ready: the old child leaves."""
        old, place.current, place.successor = place.current, successor, None
        self._replaced = None
        self._failures = 0
        if old is not None:
            self._leaver = old
            self._leave(old)

    def _left(self, child: Child, text: str, status: int) -> None:
        """A child that had to leave is gone."""
        if self._leaver is child:
            self._leaver = None
        if self.reloading and self.config.development:
            self._start_behind_leavers()
        if child.ready_at is not None and status:
            self._log(logging.WARNING, text)
        else:
            self._note(text)

    def _successor_failed(self, place: Place, child: Child, text: str) -> None:
        place.successor = self._replaced = None
        if not self._fail_reload(child, text):
            self._log(logging.ERROR, f"process {child.slot} did not start\n{text}")
            self._failures += 1
            self._retry_at = self.now + pause(self._failures)

    def _fail_reload(self, child: Child, text: str) -> bool:
        """End the reload if ``child``, which failed, is a new one. The old children stay."""
        if not self.reloading or child.epoch != self.epoch:
            return False
        self._give_up_successor()
        for other in self.children.values():
            other.epoch = self.epoch
        self._keep_earlier_template()
        stays = "" if self.config.development else "; the earlier processes go on"
        self._log(logging.ERROR, f"the reload failed{stays}\n{text}")
        self._end_reload(text)
        return True

    def _give_up_successor(self) -> None:
        place = self._replaced
        if place is not None and place.successor is not None:
            self._leave(place.successor)
            place.successor = self._replaced = None

    def _end_reload(self, error: str) -> None:
        self.reloading, self.reload_error = False, error
        if not error:
            self._note("reload: every process is new")
        self._do(Reloaded(error))
        self._do(Notify("READY=1"))

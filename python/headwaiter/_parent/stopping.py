"""The machine's end: readiness first, then the drain of all children, then the exit."""

from __future__ import annotations

import logging

from headwaiter._parent.actions import Exit, Notify, Stopping, Tell
from headwaiter._parent.child import Child, Config, Phase
from headwaiter._parent.core import GRACE
from headwaiter._parent.templates import Templates
from headwaiter._process import exits


class Stops(Templates):
    def __init__(self, config: Config, now: float) -> None:
        super().__init__(config, now)
        self.exit_status = exits.DONE
        self._stopped_at = 0.0
        self._drain_at: float | None = None
        self._is_closed = False

    def handle_stop(self, now: float, name: str, *, delayed: bool = False) -> None:
        """Stop the server, for a signal ``name``. ``delayed`` waits for ``drain_delay`` first.

        A second stop, that is not the same one, cuts the requests that are left.
        """
        self._pass(now)
        if not self.stopping:
            self._log(logging.INFO, f"{name}: stopping")
            self._stop(exits.DONE, self.config.drain_delay if delayed else 0.0)
        elif now - self._stopped_at >= self.config.same_stop:
            self._log(logging.WARNING, f"{name} again: requests in flight are cut")
            self._close()
            for child in self.children.values():
                self._part(child)
                self._do(Tell(child.slot, "cut"))
                self._end_in(child, GRACE)
        self._tell_status()

    def _stop(self, status: int, delay: float = 0.0) -> None:
        self.stopping, self.exit_status, self._stopped_at = True, status, self.now
        self._do(Notify("STOPPING=1"))
        self._end_templates(Phase.STARTING)
        for child in list(self.children.values()):
            if child.phase is Phase.STARTING:
                self._leave(child)
        for child in self.ready():
            self._do(Tell(child.slot, "unready"))
        if delay and self.ready():
            self._drain_at = self.now + delay
        else:
            self._drain()

    def _stop_time(self) -> None:
        if self._drain_at is not None and self._drain_at <= self.now:
            self._drain()

    def _drain(self) -> None:
        self._close()
        for child in self.ready():
            self._leave(child)
        self._exit_if_alone()

    def _close(self) -> None:
        """The parent's copies of the listeners are closed before those of the children, so that a
        connection is refused and not forgotten."""
        self._drain_at = None
        if not self._is_closed:
            self._is_closed = True
            self._do(Stopping())

    def _left_in_stop(self, child: Child, text: str, status: int) -> None:
        if child.ready_at is not None and status != 0:
            self._log(logging.WARNING, text)
            if self.exit_status == exits.DONE:
                self.exit_status = exits.CUT
        self._exit_if_alone()

    def _exit_if_alone(self) -> None:
        if not self.children:
            self._close()
            self._end_templates(Phase.READY)
            if not self.templates:
                self._do(Exit(self.exit_status))

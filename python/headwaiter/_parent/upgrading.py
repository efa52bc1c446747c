"""The part of the parent's loop that upgrades headwaiter, see ``upgrade.py``.

The new version is tried first. Then the parent leaves new connections to the admin endpoint in the
backlog, waits for a moment until the others have their answers, and executes the new version.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import time
from typing import Any

from headwaiter._parent.children import Children
from headwaiter._parent.control import ControlSocket
from headwaiter._parent.machine import Machine
from headwaiter._parent.overview import Admin
from headwaiter._parent.upgrade import Trial, Upgrade, signals_held
from headwaiter._parent.watcher import Watcher
from headwaiter._process import logs
from headwaiter._process.closing import Tally
from headwaiter._process.exits import NOT_STARTED

HANDLED = [
    *(signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1),
    *(signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCHLD),
]
QUIET_AFTER = 0.1
"""Seconds in which a connection to the admin endpoint that was just accepted sends its request."""
EXECUTE_WITHIN = 3.0
"""How long the new version waits for the requests of the admin endpoint."""


class Upgrading:
    """The attributes without a value are those of ``Parent``."""

    machine: Machine
    children: Children
    _admin: Admin | None
    _socket: ControlSocket | None
    _watcher: Watcher | None
    _began: float
    _tally: Tally
    _wakeup: socket.socket

    def __init__(self, upgrade: Upgrade) -> None:
        self._upgrade = upgrade
        self._trial: Trial | None = None
        self._good_since: float | None = None
        """Since when the new version is to be executed."""
        self._upgrade_error = ""
        """Why the last upgrade failed; empty if it did not."""

    def _answer(self, awaits: str, status: int, text: str) -> None:
        """Answer those who wait for the end of ``awaits``."""
        if self._socket is not None:
            self._socket.answer(awaits, status, text)

    def _begin_upgrade(self) -> None:
        """Try the new version, unless that is being done."""
        if self._is_upgrading():
            return
        if self.machine.stopping or not self.machine.has_served:
            state = "stopping" if self.machine.stopping else "starting"
            self._fail_upgrade(f"the server is {state}")
            return
        logs.post(logging.INFO, "upgrade: the new version is tried")
        try:
            self._trial = self._upgrade.trial(self._state([]), self.children.page.fileno())
        except OSError as error:
            self._fail_upgrade(f"cannot start a process: {error}")

    def _is_upgrading(self) -> bool:
        return self._trial is not None or self._good_since is not None

    def _upgrade_time(self) -> float | None:
        """When :meth:`_go_on_with_upgrade` is due, unless something happens before."""
        if self._trial is not None:
            return self._trial.next_time()
        since = self._good_since
        if since is None or self._admin is None:
            return since
        quiet = since + QUIET_AFTER
        return quiet if time.monotonic() < quiet else since + EXECUTE_WITHIN

    def _go_on_with_upgrade(self, now: float) -> None:
        if self.machine.stopping:
            self._give_up_upgrade()
        outcome = self._trial.poll() if self._trial is not None else None
        if outcome is not None:
            self._trial = None
            if outcome.is_good:
                logs.post(logging.INFO, f"upgrade: the new version is {outcome.text}")
                self._good_since = now
                if self._admin is not None:
                    self._admin.pause()
            else:
                self._fail_upgrade(outcome.text)
        if self._good_since is not None and self._is_quiet(now - self._good_since):
            self._execute()

    def _is_quiet(self, waited: float) -> bool:
        """Whether nobody waits for the admin endpoint, or somebody has for too long."""
        if self._admin is None or waited >= EXECUTE_WITHIN:
            return True
        self._admin.turn(self.machine)  # sends what has been answered
        return waited >= QUIET_AFTER and self._admin.is_quiet

    def _execute(self) -> None:
        """Become the new version, unless a signal has come that has to be handled first."""
        with signals_held(HANDLED):
            with contextlib.suppress(BlockingIOError):
                self._wakeup.recv(1, socket.MSG_PEEK)
                return  # the loop comes back at once
            self._good_since = None
            if self._watcher is not None:
                self._watcher.stop()
            kept: list[int] = []
            try:
                self._upgrade.execute(self._state(kept), kept)
            except OSError as error:
                self._fail_upgrade(f"cannot execute the new version: {error}")
                if self._watcher is not None:
                    self._watcher.start()
                if self._admin is not None:
                    self._admin.go_on()

    def _give_up_upgrade(self) -> None:
        if self._trial is not None:
            self._trial.close()
            self._trial = None
        if self._good_since is not None and self._admin is not None:
            self._admin.go_on()
        self._good_since = None

    def _fail_upgrade(self, text: str) -> None:
        self._upgrade_error = text
        logs.post(logging.ERROR, f"the upgrade failed; this version goes on\n{text}")
        self._answer("upgrade", NOT_STARTED, text)

    def _state(self, kept: list[int]) -> dict[str, Any]:
        """All that the next version needs. Its descriptors are added to ``kept``."""

        def keep(descriptor: int) -> int:
            kept.append(descriptor)
            return descriptor

        return {
            "began": self._began,
            "tally": self._tally.state(),
            "machine": self.machine.state(),
            "children": self.children.state(keep),
            "control": self._socket.state(keep) if self._socket is not None else None,
            "figures": self._admin.state() if self._admin is not None else None,
        }

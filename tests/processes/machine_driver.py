"""Drives the machine of the parent by words, and remembers what it did."""

from __future__ import annotations

import json
import logging
import signal

from headwaiter._parent.actions import (
    Action,
    DismissTemplate,
    Exit,
    Kill,
    KillTemplate,
    Log,
    Notify,
    Reloaded,
    Start,
    StartTemplate,
    Stopping,
    Tell,
)
from headwaiter._parent.child import Config
from headwaiter._parent.machine import Machine


class Driver:
    """A machine, the time, and what it has done since the last :meth:`done`."""

    def __init__(self, processes: int = 2, **settings: object) -> None:
        self.now = 100.0
        self.machine = Machine(Config(processes, **settings), self.now)  # type: ignore[arg-type]
        self.exits: list[Exit] = []
        self.reloads: list[str] = []
        self.logged: list[str] = []
        self.states: list[str] = []
        self.statuses: list[str] = []

    def done(self) -> list[str]:
        """What the machine wants done, in short: records and messages to systemd are kept aside."""
        shown = []
        for action in self.machine.take_actions():
            text = self._shown(action)
            if text:
                shown.append(text)
        return shown

    def _shown(self, action: Action) -> str:
        if isinstance(action, Start):
            verb = "start" if action.template is None else f"fork t{action.template}"
            return f"{verb} {action.slot}"
        if isinstance(action, StartTemplate):
            return f"load t{action.number}"
        if isinstance(action, (DismissTemplate, KillTemplate)):
            verb = "dismiss" if isinstance(action, DismissTemplate) else "kill"
            return f"{verb} t{action.number}"
        if isinstance(action, Tell):
            return f"{action.what} {action.slot}"
        if isinstance(action, Kill):
            return f"{signal.Signals(action.number).name} {action.slot}"
        if isinstance(action, Stopping):
            return "close"
        if isinstance(action, Log):
            self.logged.append(f"{logging.getLevelName(action.level)} {action.text}")
        elif isinstance(action, Notify):
            told = self.statuses if action.state.startswith("STATUS=") else self.states
            told.append(action.state)
        elif isinstance(action, Reloaded):
            self.reloads.append(action.error)
        else:
            self.exits.append(action)
            return f"exit {action.status}"
        return ""

    def play(self, word: str) -> None:
        """One event: ``ready 0``, ``failed 0``, ``exit 0 -9``, ``asks 0 SIGTERM``, ``pong 0``,
        ``lost 0``, the first three and ``forked`` of a template (``ready t0``), ``TERM``, ``INT``,
        ``HUP``, ``USR1``, ``USR2`` after a good trial, ``scale 3``, or seconds that pass."""
        verb, *rest = word.split()
        machine, numbers = self.machine, [int(item) for item in rest if item.lstrip("-").isdigit()]
        if rest and rest[0].startswith("t"):
            self._play_template(verb, int(rest[0][1:]), *numbers)
        elif verb == "ready":
            machine.handle_ready(self.now, numbers[0])
        elif verb == "failed":
            machine.handle_failed(self.now, numbers[0], f"cannot load {numbers[0]}", 1)
        elif verb == "exit":
            machine.handle_exit(self.now, numbers[0], numbers[1])
        elif verb == "asks":
            machine.handle_asks(self.now, numbers[0], rest[1])
        elif verb == "pong":
            machine.handle_pong(self.now, numbers[0])
        elif verb == "lost":
            machine.handle_lost(self.now, numbers[0])
        elif verb in ("TERM", "INT"):
            machine.handle_stop(self.now, verb, delayed=verb == "TERM")
        elif verb == "HUP":
            machine.handle_reload(self.now)
        elif verb == "USR1":
            machine.handle_reopen(self.now)
        elif verb == "USR2":
            state = json.loads(json.dumps(machine.state()))
            self.machine = Machine(machine.config, self.now, state)
            self.machine.handle_reload(self.now)
        elif verb == "scale":
            machine.handle_scale(self.now, numbers[0])
        else:
            self.elapse(float(verb))

    def _play_template(self, verb: str, number: int, status: int = 0) -> None:
        if verb == "ready":
            self.machine.handle_template_ready(self.now, number)
        elif verb == "failed":
            self.machine.handle_template_failed(self.now, number, f"cannot load t{number}", 1)
        elif verb == "forked":
            self.machine.handle_forked(self.now, number)
        else:
            self.machine.handle_template_exit(self.now, number, status)

    def elapse(self, seconds: float) -> None:
        """Let time pass, with a call at each moment that is due."""
        end = self.now + seconds
        while True:
            due = self.machine.next_time()
            if due is None or due > end:
                break
            assert due >= self.now, "a moment that is due already: the loop would spin"
            self.now = due
            self.machine.handle_time(self.now)
        self.now = end
        self.machine.handle_time(self.now)

    def after(self, *words: str) -> list[str]:
        for word in words:
            self.play(word)
        return self.done()

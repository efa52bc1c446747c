"""The parent at work: waits for events, asks the machine, and carries out its decisions.

Events are signals, messages and ends of children, requests of ``headwaiter ctl``, and time. Rules:
nothing here blocks, and nothing wakes up unless something happened or is due; the parent never
accepts a connection and never imports the application.
"""

from __future__ import annotations

import atexit
import functools
import gc
import logging
import os
import selectors
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

from headwaiter import _headwaiter
from headwaiter._parent import status
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
from headwaiter._parent.child import Phase
from headwaiter._parent.children import ChildProcess, Children
from headwaiter._parent.control import Client, ControlSocket
from headwaiter._parent.forking import Forking
from headwaiter._parent.machine import Machine
from headwaiter._parent.overview import Admin
from headwaiter._parent.settings import Settings
from headwaiter._parent.template import TemplateProcess
from headwaiter._parent.upgrade import Upgrade
from headwaiter._parent.upgrading import HANDLED, Upgrading
from headwaiter._parent.watcher import Watcher
from headwaiter._process import closing, logs, signals, systemd
from headwaiter._process.exits import DONE, NOT_STARTED, USAGE
from headwaiter._settings.flags import UsageError

ORPHANED = 1.0
"""Seconds in which a sibling may still send to the inbox of a child that is gone."""


class Parent(Upgrading, Forking):
    """Runs the children until the server stops."""

    def __init__(
        self,
        children: Children,
        settings: Settings,
        *,
        control: str | None,
        admin: Admin | None,
        upgrade: Upgrade,
        watcher: Watcher | None,
        banner: Callable[[], None],
        adopted: dict[str, Any] | None = None,
    ) -> None:
        """``adopted`` is the state of a running server, which goes on as this version."""
        super().__init__(upgrade)
        self.children = children
        self._settings = settings
        children.more = settings.arguments
        self._banner = banner
        self._selector = selectors.DefaultSelector()
        self._admin = admin
        if admin is not None:
            self._selector.register(admin.fileno(), selectors.EVENT_READ, lambda _: None)
        self._watcher = watcher
        self._watchdog = systemd.watchdog_seconds()
        self._began = self._watched = time.monotonic()
        self._exit: Exit | None = None
        self._tally = closing.Tally(adopted.get("tally") if adopted else None)
        self._inherits_orphans = os.getpid() == 1
        # A developer closes the terminal to stop the server.
        self._is_of_terminal = settings.config.development and signals.has_terminal()
        told = adopted["control"] if adopted else None
        make = functools.partial(ControlSocket, selector=self._selector, ask=self._asked)
        self._socket = make(control, adopted=told) if control else None
        self.machine = Machine(
            settings.config, self._began, adopted["machine"] if adopted else None
        )
        if adopted:
            self._adopt(adopted)

    def _adopt(self, state: dict[str, Any]) -> None:
        """Go on with the children of the version before, and replace them."""
        self._began = state["began"]
        self.children.adopt(state["children"])
        for child in self.children.by_slot.values():
            if not child.is_lost:
                self._watch(child)
        for template in self.children.templates.values():
            if not template.is_lost:
                self._watch_template(template)
        if self._admin is not None and state["figures"] is not None:
            self._admin.adopt(state["figures"])
        version = _headwaiter.__version__
        logs.post(logging.INFO, f"upgrade: process {os.getpid()} runs headwaiter {version}")
        self._replace_all(time.monotonic())

    def run(self) -> Exit:
        """Serve; return how it ended."""
        gc.freeze()  # a collection would take milliseconds to go through what never changes
        with self._selector, self._signals():
            try:
                if self._watcher is not None:
                    self._watcher.begin(self._selector, lambda: self._reload(time.monotonic()))
                self._act()
                self._reap()
                while self._exit is None:
                    self._turn()
            finally:
                self.close()
        return self._exit

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Receive signals as bytes on a socket."""
        with signals.signal_wakeups() as wakeup:
            assert wakeup is not None, "the command line runs on the main thread"
            self._wakeup = wakeup
            self._selector.register(wakeup, selectors.EVENT_READ, lambda _: self._signalled())
            # Shells start background jobs with SIGINT ignored.
            ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            numbers = [int(one) for one in HANDLED if not (ignored and one == signal.SIGINT)]
            for number in numbers:
                signal.signal(number, lambda _number, _frame: None)
            # The handlers stay: another signal must not end the process before it has cleaned up.
            atexit.register(signals.outlast, numbers)
            # After an upgrade they have waited for this.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            yield

    def _turn(self) -> None:
        for key, events in self._selector.select(self._timeout()):
            key.data(events)
        now = time.monotonic()
        self.machine.handle_time(now)
        self.children.expire(now)
        self._feed_watchdog(now)
        self._act()
        if self._admin is not None:
            self._admin.turn(self.machine)
        self._go_on_with_upgrade(now)
        for child in self.children.by_slot.values():
            self._listen_to(child)
        for template in self.children.templates.values():
            self._listen_to(template)

    def _timeout(self) -> float | None:
        times = [self.machine.next_time(), self.children.next_time()]
        if self._watchdog is not None:
            times.append(self._watched + self._watchdog)
        times.append(self._upgrade_time())
        now = time.monotonic()
        waits = [None if moment is None else max(0.0, moment - now) for moment in times]
        if self._admin is not None:
            waits.append(self._admin.timeout())
        return min((wait for wait in waits if wait is not None), default=None)

    def _feed_watchdog(self, now: float) -> None:
        if self._watchdog is not None and self._watched + self._watchdog <= now:
            self._watched = now
            systemd.notify("WATCHDOG=1")

    # Events.

    def _signalled(self) -> None:
        try:
            numbers = self._wakeup.recv(4096)
        except BlockingIOError:
            return
        # First, since a process that died before a stop is not part of it; at every signal, since
        # that of a death may have found no room.
        self._reap()
        now, machine = time.monotonic(), self.machine
        for number in numbers:
            name = signal.Signals(number).name
            if name in ("SIGINT", "SIGQUIT", "SIGTERM"):
                machine.handle_stop(now, name, delayed=name == "SIGTERM")
            elif name == "SIGHUP" and self._is_of_terminal and not signals.has_terminal():
                machine.handle_stop(now, "SIGHUP of a terminal that is closed")
            elif name == "SIGHUP":
                self._reload(now)
            elif name == "SIGUSR1":
                machine.handle_reopen(now)
            elif name == "SIGUSR2":
                self._begin_upgrade()
            elif name in ("SIGTTIN", "SIGTTOU"):
                machine.handle_scale(now, len(machine.places) + (1 if name == "SIGTTIN" else -1))

    def _reap(self) -> None:
        for child in list(self.children.by_slot.values()):
            code = child.popen.poll()
            if code is not None:
                self._bury(child, code)
        self._reap_templates()
        # A reload may have turned it off, but the orphans of its processes come all the same.
        self._inherits_orphans |= self.machine.config.preload
        if self._inherits_orphans:
            self._reap_orphans({self._trial.popen.pid} if self._trial else set())

    def _bury(self, child: ChildProcess, code: int) -> None:
        if not child.is_lost:
            self._read(child, selectors.EVENT_READ)  # its last words
        if not child.is_lost:
            self._lose(child)
        self._tally.missing += child.has_served and not child.has_told
        running = self.children.running(child.slot)
        if self._admin is not None:
            self._admin.retire(child.slot)
        now = time.monotonic()
        self.children.bury(child, now + ORPHANED)
        self.machine.handle_exit(now, child.slot, code, running)

    def _read(self, child: ChildProcess, events: int) -> None:
        if child.template in self.children.templates and not child.popen.pid:
            # Its template has said the process ID before the child says anything.
            self._read_template(self.children.templates[child.template], selectors.EVENT_READ)
        if events & selectors.EVENT_WRITE:
            child.channel.flush()
        if events & selectors.EVENT_READ:
            for message in child.channel.receive():
                try:
                    self._heard(child, message)
                except (KeyError, TypeError, ValueError):  # not from us
                    child.channel.ended = True
        if child.channel.ended and not child.is_lost:
            self._lose(child)
            self.machine.handle_lost(time.monotonic(), child.slot)

    def _lose(self, child: ChildProcess) -> None:
        child.is_lost = True
        self._selector.unregister(child.channel.socket)

    def _heard(self, child: ChildProcess, message: dict[str, Any]) -> None:
        now, slot, machine = time.monotonic(), child.slot, self.machine
        did = message.get("did")
        if did == "ready":
            is_first = not machine.has_served
            machine.handle_ready(now, slot, gil=bool(message.get("gil", True)))
            if machine.children[slot].phase is not Phase.READY:
                return  # it has been told to leave meanwhile
            child.is_ready = child.has_served = True
            if is_first:
                self._banner()
            text = f"process {slot} (pid {child.popen.pid}) is ready"
            logs.post(logging.INFO, text)
            self.children.forward()
        elif did == "failed":
            machine.handle_failed(now, slot, str(message["text"]), int(message["status"]))
        elif did == "pong":
            machine.handle_pong(now, slot)
        elif did == "asks":
            machine.handle_asks(now, slot, str(message["why"]))
        else:
            if did == "last":
                self._tally.hear(str(message["text"]))
                child.has_told = True
            if self._admin is not None:
                self._admin.heard(slot, message)

    def _asked(self, client: Client, request: dict[str, Any]) -> None:
        now, machine, verb = time.monotonic(), self.machine, request.get("do")
        if verb == "status":
            shown = status.shown(machine, self.children, now, now - self._began)
            if self._upgrade_error:
                shown += f"\nthe last upgrade failed:\n{self._upgrade_error}"
            client.answer(DONE, shown)
        elif verb == "reload" and not machine.stopping:
            error = self._reload(now)
            if error:  # at once, since an earlier reload may go on
                client.answer(NOT_STARTED, error)
            else:
                client.awaits = verb
        elif verb == "upgrade" and not machine.stopping:
            client.awaits = verb
            self._begin_upgrade()
        elif verb == "scale" and not machine.stopping and isinstance(request.get("number"), int):
            machine.handle_scale(now, request["number"])
            client.answer(DONE, f"processes: {len(machine.places)}")
        elif verb == "logs":
            machine.handle_reopen(now)
            client.answer(DONE, "logs are reopened")
        elif verb == "stop":
            client.awaits = verb
            machine.handle_stop(now, "headwaiter ctl stop", delayed=True)
        elif machine.stopping:
            client.answer(NOT_STARTED, "the server is stopping")
        else:
            client.answer(USAGE, f"cannot do {verb!r}")

    def _reload(self, now: float) -> str:
        """Read the settings anew, then replace the children. Return what is wrong with the
        settings."""
        if self.machine.stopping:
            return ""
        try:
            self._settings.read(self.children.directory)
        except UsageError as error:
            self.machine.handle_refused(now, str(error))
            return str(error)
        if self._watcher is not None:
            self._watcher.start()
        self._replace_all(now)
        return ""

    def _replace_all(self, now: float) -> None:
        self.children.more = self._settings.arguments
        self.machine.handle_reload(now, self._settings.config)
        if self._settings.rescales:
            self.machine.handle_rescale(now)

    # Decisions.

    def _act(self) -> None:
        while actions := self.machine.take_actions():
            for action in actions:
                self._carry_out(action)
        self.children.listening.keep(len(self.machine.places))

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, Start):
            self._start(action)
        elif isinstance(action, StartTemplate):
            self._start_template(action.number)
        elif isinstance(action, (DismissTemplate, KillTemplate)):
            self._end_template(action.number, at_once=isinstance(action, KillTemplate))
        elif isinstance(action, (Tell, Kill)):
            child = self.children.by_slot.get(action.slot)
            if child is None:  # it has just ended
                return
            if isinstance(action, Kill):
                child.popen.send_signal(action.number)
                return
            child.is_ready = child.is_ready and action.what not in ("drain", "cut")
            number = {} if action.number is None else {"n": action.number}
            child.channel.send({"do": action.what, **number})
        elif isinstance(action, Log):
            logs.post(action.level, action.text)
        elif isinstance(action, Notify):
            systemd.notify(action.state)
        elif isinstance(action, Stopping):
            self.children.page.set_stopping()
            self.children.listening.close()
        elif isinstance(action, Reloaded):
            ended = NOT_STARTED if action.error else DONE
            self._answer("reload", ended, action.error or "reloaded")
            if self._is_upgrading():  # the new version has not begun
                return
            version = f"headwaiter {_headwaiter.__version__}"
            failed = f"the parent runs {version}, but the earlier processes go on\n{action.error}"
            self._answer("upgrade", ended, failed if action.error else f"upgraded to {version}")
        else:
            self._exit = action

    def _start(self, action: Start) -> None:
        slot = action.slot
        try:
            child = self.children.start(slot, action.place, action.template)
        except OSError as error:
            now = time.monotonic()
            self.machine.handle_failed(now, slot, f"cannot start a process: {error}", NOT_STARTED)
            self.machine.handle_exit(now, slot, NOT_STARTED)
            return
        self._watch(child)

    def _watch(self, child: ChildProcess) -> None:
        self._selector.register(
            child.channel.socket,
            selectors.EVENT_READ,
            lambda events: None if child.is_lost else self._read(child, events),
        )

    def _listen_to(self, child: ChildProcess | TemplateProcess) -> None:
        if child.is_lost:
            return
        sends = selectors.EVENT_WRITE if child.channel.wants_to_send else 0
        wanted = selectors.EVENT_READ | sends
        key = self._selector.get_key(child.channel.socket)
        if key.events != wanted:
            self._selector.modify(child.channel.socket, wanted, key.data)

    def close(self) -> None:
        """End what still runs, and remove the control socket. :meth:`run` does so itself."""
        self._give_up_upgrade()
        self.children.end_templates()
        if self._exit is not None:
            self._answer("stop", self._exit.status, "stopped")
            if self.machine.has_served:
                seconds = time.monotonic() - self._began
                logs.announce(closing.line(seconds, self._tally.counts, self._tally.missing))
        if self._watcher is not None:
            self._watcher.stop()
        if self._admin is not None:
            self._admin.close()
        if self._socket is not None:
            self._socket.close()

"""Signals, and waiting for the end of a server without polling.

Used by ``server.py``. Signals that stop a server go to a handler of the extension's and from there
to the engine, which acts on them whatever the interpreter does; the main thread hears of them
afterwards. Python's own tables are left as they are. For the application's other handlers the main
thread must wake up although the kernel may deliver a signal to any other thread; a wake-up socket
does that (``signal.set_wakeup_fd``). Windows has Python's handlers only, for both purposes. Rules:
what was installed before is called and comes back, in a forked child at once; handlers are
installed by ``serve`` and the command line only, never by ``Server.run``.
"""

from __future__ import annotations

import atexit
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Callable, NamedTuple

from headwaiter import _headwaiter

STOP_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)
]
KEYS = {"SIGINT": "Ctrl-C", "SIGBREAK": "Ctrl-Break"}


class Stops(NamedTuple):
    """Signals that stop a server."""

    numbers: list[signal.Signals]
    reopening: int | None
    """A signal that opens the access log anew."""
    reader: socket.socket
    """Where the numbers of signals come in, from the moment that these are handled."""
    stopping: Callable[[], None]
    """Called on the main thread when the engine has been stopped by a signal."""

    def keys(self) -> str:
        """What a person does to stop the server, such as ``Ctrl-C or SIGTERM``."""
        return " or ".join(KEYS.get(number.name, number.name) for number in self.numbers)


def on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def stop_signals(
    stopping: Callable[[], None], *, reopening: bool, ends_process: bool
) -> Iterator[Stops | None]:
    """Take the signals that stop a server; ``None`` off the main thread, where none are.

    A SIGINT that is ignored stays so: that is how shells start background jobs. With ``reopening``
    SIGUSR1 is taken, too, unless somebody else has a use for it. Where the server's end is that of
    the process (``ends_process``), signals are not given back.
    """
    if not on_main_thread():
        yield None
        return
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        with _taken(writer, reopening, ends_process) as (numbers, reopen):
            yield Stops(numbers, reopen, reader, stopping)


if sys.platform == "win32":

    @contextmanager
    def _taken(
        writer: socket.socket, _reopening: bool, _ends_process: bool
    ) -> Iterator[tuple[list[signal.Signals], int | None]]:
        previous: dict[signal.Signals, Any] = {}

        def handle(number: int, frame: Any) -> None:  # the socket has been written to already
            before = previous.get(signal.Signals(number))
            if callable(before) and before is not signal.default_int_handler:
                before(number, frame)

        wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            for number in STOP_SIGNALS:
                before = signal.getsignal(number)
                if not (number == signal.SIGINT and before is signal.SIG_IGN):
                    previous[number] = before
                    signal.signal(number, handle)
            yield list(previous), None
        finally:
            for number, before in previous.items():
                # None: installed by C code, which Python cannot put back.
                signal.signal(number, signal.SIG_DFL if before is None else before)
            signal.set_wakeup_fd(wakeup)

    def stop_came() -> bool:
        return False  # not known: what a handler raises may be told first

    def leave_by_signals() -> None:
        """Nothing to do: no process here is one that signals cannot end."""

else:

    @contextmanager
    def _taken(
        writer: socket.socket, reopening: bool, ends_process: bool
    ) -> Iterator[tuple[list[signal.Signals], int | None]]:
        actions = {number: _headwaiter.signal_action(number) for number in STOP_SIGNALS}
        if actions[signal.SIGINT] == "ignored":
            del actions[signal.SIGINT]
        chained = [
            # Python's own handler of SIGINT would only interrupt what is to be finished.
            (int(number), action == "handler" and not _is_pythons(number))
            for number, action in actions.items()
        ]
        reopen = [int(signal.SIGUSR1)] if reopening and _is_free(signal.SIGUSR1) else []
        _headwaiter.take_signals(writer.fileno(), chained, reopen)
        try:
            yield list(actions), next(iter(reopen), None)
        finally:
            _headwaiter.release_signals(ends_process)

    def _is_pythons(number: int) -> bool:
        return signal.getsignal(number) is signal.default_int_handler

    def _is_free(number: int) -> bool:
        return _headwaiter.signal_action(number) == "default"

    def stop_came() -> bool:
        """Whether a signal that stops has come, and the engine hears of it without this thread."""
        return _headwaiter.stop_came()

    def leave_by_signals() -> None:
        """Let SIGTERM end this process at once, as it does anyway, but for process 1."""
        if on_main_thread() and _is_free(signal.SIGTERM):
            _headwaiter.leave_by_signals([signal.SIGTERM])

    def _outlast() -> None:
        """Python sets signals that it handles to their default action as it ends, which a signal
        that comes twice must not find."""
        for number in _headwaiter.lingering_signals() if on_main_thread() else []:
            signal.signal(number, signal.SIG_IGN)  # which Python leaves alone
            _headwaiter.outlast_signal(number)

    atexit.register(_outlast)


def _after_fork() -> None:
    """A signal to a child is not meant for the parent's server, whose wake-up socket it shares."""
    if _wakeups and on_main_thread():
        _wakeups.clear()
        signal.set_wakeup_fd(-1)


_wakeups: list[int] = []
"""Descriptors of wake-up sockets in use."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def signal_wakeups() -> Iterator[socket.socket | None]:
    """A socket that turns readable for every signal with a handler in Python; ``None`` off the main
    thread."""
    if not on_main_thread():
        yield None
        return
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        _wakeups.append(writer.fileno())
        try:
            yield reader
        finally:
            if _wakeups:  # else a child of ours, where this is undone
                _wakeups.pop()
                signal.set_wakeup_fd(before)


@contextmanager
def watching(
    done: socket.socket, engine: _headwaiter.Server, stops: Stops | None
) -> Iterator[tuple[Callable[[], bool], _headwaiter.Signals | None]]:
    """A function that waits until ``done`` is readable (then true) or a signal came (then false).

    The signals in ``stops`` stop ``engine`` although no Python code may be able to run; then there
    is a watch, too, which ends the process if it is not closed. It opens nothing while it waits:
    connections may have taken the last descriptor by then.
    """
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        selector.register(done, selectors.EVENT_READ)
        wakeup = told = watch = None
        if stops is None or sys.platform != "win32":  # else they come with those that stop
            wakeup = stack.enter_context(signal_wakeups())
        if stops is not None:
            # What the engine has seen comes here afterwards, and wakes this thread.
            told, onwards = socket.socketpair()
            stack.enter_context(told)
            with onwards:
                onwards.setblocking(False)
                named = [(int(number), number.name) for number in stops.numbers]
                watch = engine.watch_signals(
                    stops.reader.fileno(), onwards.fileno(), named, stops.reopening
                )
            told.setblocking(False)
        for sock in filter(None, (wakeup, told)):
            selector.register(sock, selectors.EVENT_READ)

        def wait() -> bool:
            ready = {key.fileobj for key, _ in selector.select()}
            if wakeup in ready:
                _drain(wakeup)
            if stops is not None and told in ready and _drain(told) & {*stops.numbers}:
                stops.stopping()
            return done in ready

        yield wait, watch


def _drain(sock: socket.socket | None) -> set[int]:
    got: set[int] = set()
    try:
        while sock is not None and (data := sock.recv(4096)):
            got.update(data)
    except BlockingIOError:
        pass
    return got

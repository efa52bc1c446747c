"""Signals, and waiting for the end of a server without polling.

Used by ``server.py``. A handler in the extension receives the signals that stop a server and
passes them to the engine, which acts at once, whatever the interpreter does; the main thread learns
of them afterwards. Python's own table of handlers does not change. The application's other handlers
run on the main thread, but the kernel may deliver a signal to any thread; a wake-up socket wakes
the main thread (``signal.set_wakeup_fd``). Windows has only Python's handlers, for both purposes.
Rules: a handler that was installed before is called too, and is restored at the end (in a forked
child at once); only ``serve`` and the command line install handlers, never ``Server.run``.
"""

from __future__ import annotations

import atexit
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Callable, NamedTuple, Optional, Protocol

from headwaiter import _headwaiter

STOP_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)
]
KEYS = {"SIGINT": "Ctrl-C", "SIGBREAK": "Ctrl-Break"}
QUIT = getattr(signal, "SIGQUIT", None)
"""Stops the command line, as it stops other servers; in a program it stays what it is."""


class Watch(Protocol):
    """Ends the process if Python does not, after a stop."""

    def extend(self, seconds: float) -> None: ...
    def close(self) -> None: ...


class Stops(NamedTuple):
    """Signals that stop a server."""

    numbers: list[signal.Signals]
    reopening: int | None
    """The signal that reopens the access log."""
    reader: socket.socket
    """Receives the number of each handled signal."""
    stopping: Callable[[], None]
    """Called on the main thread after a signal has stopped the engine."""
    control: _headwaiter.Control | None = None
    """In a child: hears the signals in place of ``reader``, and asks the parent what to do."""
    others: frozenset[int] = frozenset()
    """Further signals that are handled."""
    heard: Callable[[int], None] | None = None
    """Called on the main thread with each of these."""

    def keys(self) -> str:
        """How to stop the server, for people: such as ``Ctrl-C or SIGTERM``."""
        usual = [number for number in self.numbers if number != QUIT]
        return " or ".join(KEYS.get(number.name, number.name) for number in usual)


def on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def stop_signals(
    stopping: Callable[[], None],
    *,
    reopening: bool,
    ends_process: bool,
    control: _headwaiter.Control | None = None,
    others: Sequence[int] = (),
    heard: Callable[[int], None] | None = None,
) -> Iterator[Stops | None]:
    """Handle the signals that stop a server. Off the main thread handle none, and yield ``None``.

    An ignored SIGINT stays ignored: shells start background jobs that way. With ``reopening``
    SIGUSR1 is handled, too, unless it has another handler. If the process ends with the server
    (``ends_process``), the earlier handlers are not restored. ``heard`` is called with each of
    ``others`` that has no other handler; SIGQUIT then stops the server, under the same condition.
    """
    if not on_main_thread():
        yield None
        return
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        wanted = _Wanted(writer, reopening, ends_process, control, others)
        with _taken(wanted) as (numbers, reopen, told):
            yield Stops(numbers, reopen, reader, stopping, control, told, heard)


class _Wanted(NamedTuple):
    """What :func:`stop_signals` asks for, on every system."""

    writer: socket.socket
    reopening: bool
    ends_process: bool
    control: _headwaiter.Control | None
    others: Sequence[int]


_Taken = tuple[list[signal.Signals], Optional[int], frozenset[int]]
"""The signals that stop, the one that reopens the access log, the others."""


if sys.platform == "win32":

    @contextmanager
    def _taken(wanted: _Wanted) -> Iterator[_Taken]:
        previous: dict[signal.Signals, Any] = {}

        def handle(number: int, frame: Any) -> None:  # Python has written to the socket already
            before = previous.get(signal.Signals(number))
            if callable(before) and before is not signal.default_int_handler:
                before(number, frame)

        wakeup = signal.set_wakeup_fd(wanted.writer.fileno(), warn_on_full_buffer=False)
        try:
            for number in STOP_SIGNALS:
                before = signal.getsignal(number)
                if not (number == signal.SIGINT and before is signal.SIG_IGN):
                    previous[number] = before
                    signal.signal(number, handle)
            yield list(previous), None, frozenset()
        finally:
            for number, before in previous.items():
                # None: C code installed the handler, and Python cannot restore it.
                signal.signal(number, signal.SIG_DFL if before is None else before)
            signal.set_wakeup_fd(wakeup)

    def stop_came() -> bool:
        return False  # not known here

    def leave_by_signals() -> None:
        """Nothing to do: signals end every process on this system."""

else:

    @contextmanager
    def _taken(wanted: _Wanted) -> Iterator[_Taken]:
        stops = [*STOP_SIGNALS, *([signal.SIGQUIT] if wanted.others else [])]
        actions = {number: _headwaiter.signal_action(number) for number in stops}
        if actions[signal.SIGINT] == "ignored":
            del actions[signal.SIGINT]
        if actions.get(signal.SIGQUIT, "default") != "default":
            del actions[signal.SIGQUIT]
        chained = [
            (int(number), action == "handler" and not _ends_process(number))
            for number, action in actions.items()
        ]
        reopen = [int(signal.SIGUSR1)] if wanted.reopening and _is_free(signal.SIGUSR1) else []
        others = [each for each in wanted.others if each not in reopen and _is_free(each)]
        control = wanted.control
        if control is None:
            _headwaiter.take_signals(wanted.writer.fileno(), chained, [*reopen, *others])
        else:
            control.take_signals(chained, reopen)
        try:
            yield list(actions), next(iter(reopen), None), frozenset(others)
        finally:
            if control is None:
                _headwaiter.release_signals(wanted.ends_process)
            else:
                control.release_signals()

    def _ends_process(number: int) -> bool:
        """Whether the handler would end the process in the middle of the drain: Python's own of
        SIGINT, and that of Datadog's tracer, which is there to send its last traces before the
        signal ends the process. The tracer sends them at the end of the interpreter, too."""
        handler = signal.getsignal(number)
        return handler is signal.default_int_handler or (
            getattr(handler, "__module__", None) == "ddtrace.internal.utils.signals"
        )

    def _is_free(number: int) -> bool:
        return _headwaiter.signal_action(number) == "default"

    def stop_came() -> bool:
        """Whether a signal that stops the server has come. The engine acts on it without this
        thread."""
        return _headwaiter.stop_came()

    def leave_by_signals() -> None:
        """Let SIGTERM end this process at once. This is the default, except in process 1."""
        if on_main_thread() and _is_free(signal.SIGTERM):
            _headwaiter.leave_by_signals([signal.SIGTERM])

    def leave_stops_to_parent() -> None:
        """Ignore the signals that a parent process acts on; whoever signals the whole group means
        the parent."""
        free = [number for number in PARENTS_SIGNALS[1:] if _is_free(number)]
        _headwaiter.ignore_signals([signal.SIGINT, *free])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PARENTS_SIGNALS)

    def leave_end_to_parent() -> None:
        """Ignore SIGTERM, too: service managers send it to every process, and mean the parent."""
        if _is_free(signal.SIGTERM):
            _headwaiter.ignore_signals([signal.SIGTERM])

    PARENTS_SIGNALS = (
        *(signal.SIGINT, signal.SIGQUIT),  # of a terminal
        *(signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2),
    )

    @contextmanager
    def held_back() -> Iterator[None]:
        """Hold these signals back in the block. A process that is started in it has them held back
        until :func:`leave_stops_to_parent`."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, PARENTS_SIGNALS)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def has_terminal() -> bool:
        """Whether the process has a terminal that is open, and may end with it (no ``nohup``)."""
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            return False
        try:
            os.close(os.open(os.ctermid(), os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
        except OSError:
            return False
        return True

    def outlast(numbers: list[int]) -> None:
        """Ignore these signals from the end of the interpreter on, which resets their handlers."""
        # A signal between the look for its handler and the new one would be an error.
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)

    def _outlast() -> None:
        """Keep the engine's handler until the process ends.

        Python resets the signals that it handles to their default action at its end. A second
        signal of the same stop must not meet the default action.
        """
        for number in _headwaiter.lingering_signals() if on_main_thread() else []:
            signal.signal(number, signal.SIG_IGN)  # Python does not reset an ignored signal
            _headwaiter.outlast_signal(number)

    atexit.register(_outlast)


def _after_fork() -> None:
    """Give up the wake-up socket, which a child shares with its parent.

    A signal to the child must not wake the parent.
    """
    if _wakeups and on_main_thread():
        _wakeups.clear()
        signal.set_wakeup_fd(-1)


_wakeups: list[int] = []
"""Descriptors of wake-up sockets in use."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def signal_wakeups() -> Iterator[socket.socket | None]:
    """A socket that becomes readable at every signal with a Python handler; ``None`` off the main
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
            if _wakeups:  # else this is a forked child, which has given the socket up
                _wakeups.pop()
                # No warning if a signal on another thread finds the socket full just now.
                signal.set_wakeup_fd(before, warn_on_full_buffer=before >= 0)


@contextmanager
def watching(
    done: socket.socket, engine: _headwaiter.Server, stops: Stops | None
) -> Iterator[tuple[Callable[[], bool], Watch | None]]:
    """Yield a function that waits until ``done`` is readable (it returns true) or a signal came
    (false).

    The signals in ``stops`` stop ``engine`` even if no Python code can run. With ``stops`` a watch
    is yielded, too, which ends the process if it is not closed in time. The function opens no
    descriptor: connections may have taken the last one.
    """
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        selector.register(done, selectors.EVENT_READ)
        wakeup = handled = None
        watch: Watch | None = None
        if stops is None or sys.platform != "win32":  # else `stops` has these signals, too
            wakeup = stack.enter_context(signal_wakeups())
        if stops is not None:
            # After it has acted the engine sends the numbers here, which wakes this thread.
            handled, onwards = socket.socketpair()
            stack.enter_context(handled)
            with onwards:
                onwards.setblocking(False)
                named = [(int(number), number.name) for number in stops.numbers]
                if stops.control is None:
                    watch = engine.watch_signals(
                        stops.reader.fileno(), onwards.fileno(), named, stops.reopening
                    )
                else:
                    watch = stops.control
                    watch.watch_signals(onwards.fileno(), named, stops.reopening)
            handled.setblocking(False)
        for sock in filter(None, (wakeup, handled)):
            selector.register(sock, selectors.EVENT_READ)

        def wait() -> bool:
            ready = {key.fileobj for key, _ in selector.select()}
            if wakeup in ready:
                _drain(wakeup)
            if stops is not None and handled in ready:
                came = _drain(handled)
                if came & {*stops.numbers}:
                    stops.stopping()
                for number in came & stops.others:
                    if stops.heard is not None:
                        stops.heard(number)
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

"""Signals, and waiting for the end of a server without polling.

Used by ``server.py``. The main thread is where Python runs signal handlers, and it must wake up for
them although the kernel may deliver the signal to any other thread; a wake-up socket does that
(``signal.set_wakeup_fd``). Python runs no handler while C code holds the GIL, but that socket is
written to at once, so the extension reads it first where a signal is to stop the server. Rules:
what was installed before is restored, whatever happens, in a forked child, too; handlers are
installed by ``serve`` and the command line only, never by ``Server.run``.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from headwaiter import _headwaiter

STOP_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)
]


def on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def stop_signals(
    handler: Callable[[signal.Signals], None],
) -> Iterator[list[tuple[int, str]]]:
    """Call ``handler`` for SIGINT and SIGTERM; does nothing off the main thread.

    A SIGINT that is ignored stays so: that is how shells start background jobs.

    Yields:
        Numbers and names of the signals that are handled.
    """
    if not on_main_thread():
        yield []
        return

    def handle(number: int, _frame: object) -> None:
        handler(signal.Signals(number))

    previous: dict[int, Any] = {}
    try:
        for number in STOP_SIGNALS:
            before = signal.getsignal(number)
            if not (number == signal.SIGINT and before is signal.SIG_IGN):
                previous[number] = before
                signal.signal(number, handle)
        _installed.update(previous)
        yield [(int(number), signal.Signals(number).name) for number in previous]
    finally:
        for number in previous:
            _installed.pop(number, None)
        _restore(previous)


_installed: dict[int, Any] = {}
"""What the signals that stop this process did before."""


def _restore(previous: dict[int, Any]) -> None:
    for number, before in previous.items():
        # None: installed by C code, which Python cannot put back.
        signal.signal(number, signal.SIG_DFL if before is None else before)


def _after_fork() -> None:
    """A signal to a child is not meant for the parent's server: neither its handler nor its wake-up
    socket, which the child shares."""
    if not on_main_thread():
        return
    if _wakeups:
        _wakeups.clear()
        signal.set_wakeup_fd(-1)
    _restore(_installed)
    _installed.clear()


_wakeups: list[int] = []
"""Descriptors of wake-up sockets in use."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def reopen_signal(reopen: Callable[[], None]) -> Iterator[None]:
    """Call ``reopen`` for SIGUSR1, unless the application has a use for it; does nothing off the
    main thread."""
    number = getattr(signal, "SIGUSR1", None)
    if number is None or not on_main_thread() or signal.getsignal(number) != signal.SIG_DFL:
        yield
        return
    signal.signal(number, lambda _number, _frame: reopen())
    try:
        yield
    finally:
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def signal_wakeups() -> Iterator[tuple[socket.socket, socket.socket] | None]:
    """A socket that turns readable for every signal, and the end that is written to; ``None`` off
    the main thread."""
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
            yield reader, writer
        finally:
            if _wakeups:  # else a child of ours, where this is undone
                _wakeups.pop()
                signal.set_wakeup_fd(before)


@contextmanager
def watching(
    done: socket.socket, engine: _headwaiter.Server, stops: list[tuple[int, str]]
) -> Iterator[tuple[Callable[[], bool], _headwaiter.Signals | None]]:
    """A function that waits until ``done`` is readable (then true) or a signal came (then false).

    The signals in ``stops`` stop ``engine`` although no Python code may be able to run; then there
    is a watch, too, which ends the process if it is not closed. It opens nothing while it waits:
    connections may have taken the last descriptor by then.
    """
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        selector.register(done, selectors.EVENT_READ)
        watch = None
        wakeup: socket.socket | None
        if stops:
            # What the engine has seen comes here afterwards, and wakes this thread.
            inwards, onwards = socket.socketpair()
            wakeup = stack.enter_context(inwards)
            with onwards:
                onwards.setblocking(False)
                pair = stack.enter_context(signal_wakeups())
                assert pair is not None  # only the main thread has signals to stop by
                watch = engine.watch_signals(pair[0].fileno(), onwards.fileno(), stops)
            inwards.setblocking(False)
        else:
            pair = stack.enter_context(signal_wakeups())
            wakeup = pair[0] if pair else None
        if wakeup is not None:
            selector.register(wakeup, selectors.EVENT_READ)

        def wait() -> bool:
            ready = {key.fileobj for key, _ in selector.select()}
            if wakeup in ready:
                _drain(wakeup)
            return done in ready

        yield wait, watch


def _drain(sock: socket.socket | None) -> None:
    try:
        while sock is not None and sock.recv(4096):
            pass
    except BlockingIOError:
        pass

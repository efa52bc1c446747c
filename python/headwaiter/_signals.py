"""Signals, and waiting for the end of a server without polling.

Used by ``server.py``. The main thread is where Python runs signal handlers, and it must wake up for
them although the kernel may deliver the signal to any other thread; a wake-up socket does that
(``signal.set_wakeup_fd``). Rules: what was installed before is restored, whatever happens; handlers
are installed by ``serve`` and the command line only, never by ``Server.run``.
"""

from __future__ import annotations

import selectors
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

STOP_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)
]


def on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def stop_signals(handler: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call ``handler`` for SIGINT and SIGTERM; does nothing off the main thread.

    A SIGINT that is ignored stays so: that is how shells start background jobs.
    """
    if not on_main_thread():
        yield
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
        yield
    finally:
        for number, before in previous.items():
            # None: installed by C code, which Python cannot put back.
            signal.signal(number, signal.SIG_DFL if before is None else before)


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
def signal_wakeups() -> Iterator[socket.socket | None]:
    """A socket that turns readable for every signal, or ``None`` off the main thread."""
    if not on_main_thread():
        yield None
        return
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield reader
        finally:
            signal.set_wakeup_fd(before)


@contextmanager
def watching(done: socket.socket) -> Iterator[Callable[[], bool]]:
    """A function that waits until ``done`` is readable (then true) or a signal came (then false).

    It opens nothing while it waits: connections may have taken the last descriptor by then.
    """
    with selectors.DefaultSelector() as selector, signal_wakeups() as wakeups:
        selector.register(done, selectors.EVENT_READ)
        if wakeups is not None:
            selector.register(wakeups, selectors.EVENT_READ)

        def wait() -> bool:
            ready = {key.fileobj for key, _ in selector.select()}
            if wakeups in ready:
                _drain(wakeups)
            return done in ready

        yield wait


def _drain(sock: socket.socket | None) -> None:
    try:
        while sock is not None and sock.recv(4096):
            pass
    except BlockingIOError:
        pass

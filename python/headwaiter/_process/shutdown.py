"""The end of the interpreter while something still runs.

Servers on daemon threads may still serve, a request may be stuck, nobody may read the log, and
threads of the application may not end. What still runs is cut. A worker that is stuck stands still
while the interpreter is torn down (``outlive.rs``) and ends with the process; it is not
interrupted, since an exception at an arbitrary place may leave a lock of ``logging`` locked. Rules:
every wait here has a bound; only the command line, whose process this is, ends the process by force
(:func:`end_by`, :func:`leave`).
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import select
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable

from headwaiter import _headwaiter
from headwaiter._process import logs
from headwaiter._process.exits import CUT

# How long the end of the process waits for requests that were cut, and once more for a log that
# takes nothing at the moment.
EXIT_SECONDS = 1.0
# Threads of the application that end within this time are not mentioned.
QUIET_SECONDS = 1.0


class Running:
    """One server, for the end of the interpreter: how to cut it, and its threads."""

    def __init__(self, ended: threading.Event, threads: list[threading.Thread]) -> None:
        self.ended = ended
        self.threads = threads
        self._abort: Callable[[], None] | None = None

    def begin(self, abort: Callable[[], None]) -> None:
        """From now on the end of the interpreter calls ``abort``."""
        self._abort = abort
        _running.add(self)

    def end(self) -> None:
        """The server has ended. While a thread of it is stuck the end of the interpreter takes care
        of that thread."""
        self.ended.set()
        self._abort = None
        if not any(thread.is_alive() for thread in self.threads):
            _running.discard(self)

    def cut(self) -> None:
        """Abort the server if it still serves."""
        abort = self._abort
        if abort is not None:
            abort()


_running: weakref.WeakSet[Running] = weakref.WeakSet()
"""Servers that run, or whose threads have not all returned."""


def _end_servers(patience: float = EXIT_SECONDS, *, by_force: bool = False) -> None:
    """Cut what still runs. Where threads are stuck, also remove what would keep the process from
    ending; a program without stuck threads may take its time to write its output."""
    running = list(_running)
    for server in running:
        server.cut()
    deadline = time.monotonic() + patience
    for server in running:
        server.ended.wait(max(0.0, deadline - time.monotonic()))
    threads = [thread for server in running for thread in server.threads]
    _join(threads, deadline)
    stuck = any(thread.is_alive() for thread in threads)
    if not (by_force or stuck or logs.is_handing_on()):
        return
    if _free_streams():
        _flush_streams()
    logs.release(EXIT_SECONDS)
    if stuck:
        logs.seize(EXIT_SECONDS)


def _join(threads: Iterable[threading.Thread], deadline: float) -> None:
    for thread in threads:
        if thread.is_alive():
            thread.join(max(0.0, deadline - time.monotonic()))


def _free_streams() -> bool:
    """Replace standard streams that nobody reads by the null device; return whether there were any.

    This also frees threads that are blocked in a write: CPython aborts if such a thread holds the
    stream's lock when the interpreter ends. Output that the streams have not taken is lost.
    """
    full = [number for number in (1, 2) if not _takes_bytes(number)]
    if full:
        null = os.open(os.devnull, os.O_WRONLY)
        for number in full:
            os.dup2(null, number)
        os.close(null)
        _retry_writes()
    return bool(full)


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # none, closed or broken
            stream.flush()


def _takes_bytes(number: int) -> bool:
    if sys.platform == "win32":  # no such question there
        return True
    try:
        return bool(select.select([], [number], [], EXIT_SECONDS)[1])
    except (OSError, ValueError):  # not open
        return True


def _retry_writes() -> None:
    """Interrupt every blocked system call (EINTR): Python repeats it, now on the null device.

    Sends SIGURG, which has no effect by default. If the application handles SIGURG, writes stay
    blocked.
    """
    if sys.platform == "win32":  # no such signal there
        return
    number = signal.SIGURG
    if signal.getsignal(number) != signal.SIG_DFL:
        return
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(number, lambda _number, _frame: None)
    for thread in threading.enumerate():
        if thread.ident is not None and thread is not threading.current_thread():
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                signal.pthread_kill(thread.ident, number)


def end_by(deadline: float) -> None:
    """End this process at ``deadline``, with status 3, unless it has ended by itself.

    Native code ends it if Python cannot.
    """
    _headwaiter.leave_in(deadline - time.monotonic())
    threading.Thread(target=_end_by, args=(deadline,), name="headwaiter-end", daemon=True).start()


def _end_by(deadline: float) -> None:
    ended = threading.Event()  # never set: this thread ends with the process
    ended.wait(min(QUIET_SECONDS, max(0.0, deadline - time.monotonic())))
    left = max(0.0, deadline - time.monotonic())
    if _names():
        _say(logging.WARNING, f"waiting {left:.1f} s for threads to end: {_names()}")
    ended.wait(max(0.0, deadline - time.monotonic()))
    _say(logging.ERROR, f"ended without waiting for {_names() or 'functions of atexit'}")
    leave(CUT)


def _say(level: int, text: str) -> None:
    """Log ``text``, but do not wait long for a log that blocks."""
    thread = threading.Thread(target=logs.say, args=(level, text), daemon=True)
    thread.start()
    thread.join(EXIT_SECONDS)


def _names() -> str:
    """The names of the threads that the interpreter waits for at its end."""
    main = threading.main_thread()
    return ", ".join(t.name for t in threading.enumerate() if not t.daemon and t is not main)


def leave(status: int) -> None:
    """End the process at once, whatever runs in it. Only logs and streams are flushed."""
    _end_servers(0.0, by_force=True)
    logging.shutdown()
    _flush_streams()
    os._exit(status)


atexit.register(_end_servers)
if hasattr(os, "register_at_fork"):
    # A child must not cut the servers of its parent, whose sockets it shares.
    os.register_at_fork(after_in_child=_running.clear)

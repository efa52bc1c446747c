"""The end of the interpreter while servers run on daemon threads, or with a request stuck.

Before 3.14, CPython ends a daemon thread that asks for the GIL after the interpreter is gone in a
way that aborts the process where it passes through native code such as ours. So what still runs is
cut first; a worker that computes on regardless gets ``SystemExit`` raised in it, and one that
sleeps or waits, as a rule, does not wake up before the process is gone.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING

from headwaiter import _headwaiter

if TYPE_CHECKING:
    from headwaiter.server import Server

# How long the end of the process is held up for requests that were cut, and again for workers to
# notice that they were interrupted.
EXIT_SECONDS = 1.0
INTERRUPT_SECONDS = 0.5

servers: weakref.WeakSet[Server] = weakref.WeakSet()
"""Servers that run, or whose workers have not all returned."""


def _end_workers() -> None:
    running = list(servers)
    for server in running:
        server.abort()
    deadline = time.monotonic() + EXIT_SECONDS
    for server in running:
        server._ended.wait(max(0.0, deadline - time.monotonic()))
    workers = [worker for server in running for worker in server._workers]
    _join(workers, deadline)
    stuck = [worker for worker in workers if worker.is_alive()]
    for worker in stuck:
        _interrupt(worker)
    _join(stuck, time.monotonic() + INTERRUPT_SECONDS)


def _join(workers: Iterable[threading.Thread], deadline: float) -> None:
    for worker in workers:
        if worker.is_alive():
            worker.join(max(0.0, deadline - time.monotonic()))


def _interrupt(worker: threading.Thread) -> None:
    """Raise ``SystemExit`` in ``worker``, as soon as it runs Python code."""
    import ctypes  # takes a while to load, and is hardly ever needed

    if worker.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(worker.ident), ctypes.py_object(SystemExit)
        )


atexit.register(_end_workers)
if hasattr(os, "register_at_fork"):
    # The servers of the parent are not the child's to cut: it shares their sockets.
    os.register_at_fork(after_in_child=servers.clear)
    os.register_at_fork(after_in_child=_headwaiter.forked)

"""Carries the engine's log records into Python's ``logging``.

No I/O thread ever touches Python: the extension keeps records in a bounded queue, and one daemon
thread per process, ``headwaiter-log``, hands them on. It runs while any server does. Rules: records
are handed on in order, by one thread at a time; when ``Server.run`` returns, everything that the
server logged has reached the handlers. After a fork the child has neither servers nor the thread.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from headwaiter import _headwaiter

DEFAULT_NAME = "headwaiter"


class _Pump:
    """The thread and the number of servers that need it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.order = threading.Lock()
        self.users = 0
        self.thread: threading.Thread | None = None

    def run(self) -> None:
        while self.users:
            _headwaiter.log_wait()
            pump()


_state = _Pump()
_name = DEFAULT_NAME


def logger_name() -> str:
    """``headwaiter``, or ``waitress`` when installed under that name."""
    return _name


def rename(name: str) -> None:
    global _name
    _name = name


def logger() -> logging.Logger:
    return logging.getLogger(_name)


def pump() -> None:
    """Hand on what waits. Never blocks on the engine."""
    with _state.order:
        for level, child, message, created in _headwaiter.log_take():
            target = logging.getLogger(f"{_name}.{child}" if child else _name)
            if target.isEnabledFor(level):
                target.handle(_record(target.name, level, message, created))


@contextmanager
def pumping() -> Iterator[None]:
    """Keep the thread running; the last one to leave ends it and hands on the rest."""
    state = _state
    with state.lock:
        state.users += 1
        if state.thread is None:
            state.thread = threading.Thread(target=state.run, name="headwaiter-log", daemon=True)
            state.thread.start()
    try:
        yield
    finally:
        with state.lock:
            state.users -= 1
            thread, last = state.thread, not state.users
            if last:
                state.thread = None
                _headwaiter.log_wake()
                if thread is not None:
                    thread.join()
        pump()


def configure_unless_configured(line_format: str = logging.BASIC_FORMAT) -> None:
    """Log to standard error from INFO up, if the application has not set up logging itself."""
    if logging.getLogger().handlers or logger().handlers:
        return
    logging.basicConfig(format=line_format, stream=sys.stderr)
    if logger().level == logging.NOTSET:
        logger().setLevel(logging.INFO)


def _record(name: str, level: int, message: str, created: float) -> logging.LogRecord:
    record = logging.LogRecord(name, level, "headwaiter", 0, message, None, None)
    shift = (created - record.created) * 1000
    record.created = created
    record.msecs = created % 1 * 1000
    record.relativeCreated += shift
    return record


def _after_fork() -> None:
    global _state
    _state = _Pump()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

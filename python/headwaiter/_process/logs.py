"""Carries the engine's log records into Python's ``logging``.

No I/O thread ever touches Python: the extension keeps records in a bounded queue, and one daemon
thread per process, ``headwaiter-log``, hands them on. It runs while any server does. Rules: records
are handed on in order, by one thread at a time; when ``Server.run`` returns, everything that the
server logged has reached the handlers, unless these block. After a fork the child has neither
servers nor the thread.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from headwaiter import _headwaiter

DEFAULT_NAME = "headwaiter"

# How long the end of a server waits for handlers.
PATIENCE = 2.0


class _Pump:
    """The thread and the number of servers that need it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.order = threading.Lock()
        self.users = 0
        self.thread: threading.Thread | None = None
        self.leaving: deque[threading.Event] = deque()

    def run(self) -> None:
        own, over = threading.current_thread(), False
        while not over:
            if self.thread is own:
                _headwaiter.log_wait()
            # Looked at first: what was logged before is then in this round.
            over = self.thread is not own
            leaving = [self.leaving.popleft() for _ in range(len(self.leaving))]
            pump()
            for handed_on in leaving:
                handed_on.set()


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


def post(level: int, text: str) -> None:
    """Log ``text`` by way of the thread, in line with the engine's records. Never blocks."""
    _headwaiter.log_put(level, text)


def pump() -> None:
    """Hand on what waits. Never blocks on the engine, but for as long as the handlers do."""
    with _state.order:
        for level, child, message, created in _headwaiter.log_take():
            _hand_on(level, child, message, created)


def _hand_on(level: int, child: str, message: str, created: float) -> None:
    record = _record(f"{_name}.{child}" if child else _name, level, message, created)
    try:
        target = logging.getLogger(record.name)
        if target.isEnabledFor(level):
            target.handle(record)
    except BaseException:  # of a handler or a filter: it costs this record
        with contextlib.suppress(Exception):  # standard error may be broken, too
            _fallback.handleError(record)


_fallback = logging.NullHandler()
"""Says on standard error what a handler raised, as ``logging`` does."""


def enable() -> None:
    """Undo what a configuration of the application's does to loggers that are there before it and
    that it does not name (``disable_existing_loggers``)."""
    for child in ("", ".access", ".queue", ".slow"):
        logging.getLogger(_name + child).disabled = False


@contextmanager
def pumping() -> Iterator[None]:
    """Keep the thread running; the last one to leave ends it.

    Leaving waits until everything was handed on, for ``PATIENCE`` seconds at most: a handler that
    blocks must not keep a server from ending.
    """
    enable()
    state = _state
    with state.lock:
        state.users += 1
        if state.thread is None:
            state.thread = threading.Thread(target=state.run, name="headwaiter-log", daemon=True)
            state.thread.start()
    try:
        yield
    finally:
        end = time.monotonic() + PATIENCE
        handed_on = threading.Event()
        with state.lock:
            state.users -= 1
            state.leaving.append(handed_on)
            thread, last = state.thread, not state.users
            if last:
                state.thread = None
            _headwaiter.log_wake()
            if last and thread is not None:
                thread.join(PATIENCE)
        handed_on.wait(max(0.0, end - time.monotonic()))


def is_handing_on() -> bool:
    """Whether the thread is at work, or blocked in a handler."""
    free = _state.order.acquire(blocking=False)
    if free:
        _state.order.release()
    return not free


def release(seconds: float) -> None:
    """Give handlers that block for ``seconds`` more new locks: the process ends without them.

    ``logging.shutdown`` takes the lock of every handler.
    """
    end = time.monotonic() + seconds
    for handler in _handlers():
        if not handler.lock:
            continue
        if handler.lock.acquire(timeout=max(0.0, end - time.monotonic())):
            handler.release()
        else:
            handler.createLock()


def seize(seconds: float) -> None:
    """Keep the lock of ``logging`` itself from threads that are about to stand still: the
    interpreter takes it when it drops handlers."""
    lock = getattr(logging, "_lock", None)
    if lock is not None:
        lock.acquire(timeout=seconds)


def _handlers() -> set[logging.Handler]:
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    return {handler for some in loggers for handler in getattr(some, "handlers", ())}


def configure_unless_configured(line_format: str = logging.BASIC_FORMAT) -> None:
    """Log to standard error from INFO up, if the application has not set up logging itself."""
    if logging.getLogger().handlers or logger().handlers:
        return
    logging.basicConfig(format=line_format, stream=sys.stderr)
    if logger().level == logging.NOTSET:
        logger().setLevel(logging.INFO)


def _record(name: str, level: int, message: str, created: float) -> logging.LogRecord:
    # With an argument, as formatters of applications may use ``msg`` and ``args`` by themselves.
    record = logging.LogRecord(name, level, "headwaiter", 0, "%s", (message,), None)
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

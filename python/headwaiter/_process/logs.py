"""Carries the server's log records into Python's ``logging``.

No I/O thread ever attaches to Python. The extension keeps records in a bounded queue, and one
daemon thread per process, ``headwaiter-log``, passes them to ``logging``. The thread runs while any
server runs. Rules: records are passed on in order, by one thread at a time. When ``Server.run``
returns, the handlers have received everything that the server logged, unless they block. After a
fork the child has neither servers nor the thread. Every record of the server, also one that is
logged at once (:func:`say`, :func:`fail`), comes to ``last_resort.py``, which decides who shows it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headwaiter import _headwaiter
from headwaiter._process import console, last_resort

DEFAULT_NAME = "headwaiter"

ANNOUNCED = 1 << 8
"""Added to the level of a queued record that is an announcement; see ``last_resort.py``."""

# Seconds that the end of a server waits for handlers.
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
            # Read before the records are taken: this round has all records logged before the end.
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
    """Log ``text`` in order with the engine's records, through the thread. Never blocks."""
    _headwaiter.log_put(level, text)


def announce(text: str) -> None:
    """:func:`post` what the operator shall see whatever logging is set up: where the server
    listens, and how it ended."""
    _headwaiter.log_put(logging.INFO | ANNOUNCED, text)


def say(level: int, text: str) -> None:
    """Log ``text`` at once, on this thread: before a server runs, or instead of one."""
    _log(_name, level, text)


def fail(name: str, text: str, error: Any) -> None:
    """Log ``text`` at ERROR, under ``name``, with the traceback of an exception of the application.
    Called by the extension on the thread of the request.

    ``error`` is an exception, or a tuple as that of ``sys.exc_info``.
    """
    _log(name, logging.ERROR, text, error=error)


def pump() -> None:
    """Pass on the waiting records. Never waits for the engine; blocks while a handler blocks."""
    with _state.order:
        for level, child, message, created in _headwaiter.log_take():
            _hand_on(level, child, message, created)


def _hand_on(level: int, child: str, message: str, created: float) -> None:
    name = f"{_name}.{child}" if child else _name
    try:
        announces = bool(level & ANNOUNCED)
        _log(name, level & ~ANNOUNCED, message, created=created, announces=announces)
    except BaseException:  # raised by a handler, a filter, or the factory of records
        record = logging.makeLogRecord({"name": name, "msg": "%s", "args": (message,)})
        with contextlib.suppress(Exception):  # standard error may be broken, too
            _fallback.handleError(record)


_fallback = logging.NullHandler()
"""Reports on standard error what a handler raised, as ``logging`` does."""


@contextmanager
def pumping() -> Iterator[None]:
    """Run the thread in the block; the last block to end stops it.

    The end of the block waits until all records were passed on, but at most ``PATIENCE`` seconds: a
    handler that blocks must not keep a server from ending.
    """
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
    """Whether the thread is passing records on, or is blocked in a handler."""
    free = _state.order.acquire(blocking=False)
    if free:
        _state.order.release()
    return not free


def flush() -> None:
    """Pass all records on, before this process executes another program.

    Gives up after ``PATIENCE``: a handler that blocks must not keep the process from going on.
    """
    handed_on = threading.Event()
    with _state.lock:
        _state.leaving.append(handed_on)
        _headwaiter.log_wake()
    if not handed_on.wait(PATIENCE):
        return
    for handler in _handlers():
        with contextlib.suppress(Exception):  # of a handler of the operator
            handler.flush()


def release(seconds: float) -> None:
    """Give new locks to handlers that are still blocked after ``seconds``.

    ``logging.shutdown`` takes the lock of every handler, and the process must end without them.
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
    """Take the lock of ``logging`` itself, so that no thread that is about to hang holds it.

    The interpreter needs that lock when it frees handlers.
    """
    lock = getattr(logging, "_lock", None)
    if lock is not None:
        lock.acquire(timeout=seconds)


def _handlers() -> set[logging.Handler]:
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    return {handler for some in loggers for handler in getattr(some, "handlers", ())}


def configure_unless_configured() -> None:
    """Log to standard error from INFO up, if the application has not set up logging itself."""
    if logging.getLogger().handlers or logger().handlers:
        return
    logging.getLogger().addHandler(console.ConsoleHandler())
    if logger().level == logging.NOTSET:
        logger().setLevel(logging.INFO)


def _log(
    name: str,
    level: int,
    text: str,
    *,
    created: float | None = None,
    error: Any = None,
    announces: bool = False,
) -> None:
    """Log ``text``; raise what a handler or a filter raises."""
    logger = logging.getLogger(name)
    if not last_resort.is_wanted(logger, level, announces=announces):
        return
    if isinstance(error, BaseException):
        error = (type(error), error, error.__traceback__)
    # Made by the logger: applications may have a factory of records, and formatters that need what
    # it adds. With an argument: formatters may use ``msg`` and ``args`` separately.
    record = logger.makeRecord(name, level, "headwaiter", 0, "%s", (text,), error)
    if created is not None:
        record.relativeCreated += (created - record.created) * 1000
        record.created = created
        record.msecs = created % 1 * 1000
    last_resort.hand_on(logger, record, announces=announces)


def _after_fork() -> None:
    global _state
    _state = _Pump()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

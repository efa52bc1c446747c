"""Carries the engine's log records into Python's ``logging``.

No I/O thread ever attaches to Python. The extension keeps records in a bounded queue, and one
daemon thread per process, ``headwaiter-log``, passes them to ``logging``. The thread runs while any
server runs. Rules: records are passed on in order, by one thread at a time. When ``Server.run``
returns, the handlers have received everything that the server logged, unless they block. After a
fork the child has neither servers nor the thread.
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


def pump() -> None:
    """Pass on the waiting records. Never waits for the engine; blocks while a handler blocks."""
    with _state.order:
        for level, child, message, created in _headwaiter.log_take():
            _hand_on(level, child, message, created)


def _hand_on(level: int, child: str, message: str, created: float) -> None:
    record = _record(f"{_name}.{child}" if child else _name, level, message, created)
    try:
        target = logging.getLogger(record.name)
        if target.isEnabledFor(level):
            target.handle(record)
    except BaseException:  # raised by a handler or a filter: only this record is lost
        with contextlib.suppress(Exception):  # standard error may be broken, too
            _fallback.handleError(record)


_fallback = logging.NullHandler()
"""Reports on standard error what a handler raised, as ``logging`` does."""


def enable() -> None:
    """Enable the server's loggers.

    A logging configuration of the application disables all existing loggers that it does not name
    (``disable_existing_loggers``).
    """
    for child in ("", ".access", ".queue", ".slow"):
        logging.getLogger(_name + child).disabled = False


@contextmanager
def pumping() -> Iterator[None]:
    """Run the thread in the block; the last block to end stops it.

    The end of the block waits until all records were passed on, but at most ``PATIENCE`` seconds: a
    handler that blocks must not keep a server from ending.
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


def configure_unless_configured(line_format: str = logging.BASIC_FORMAT) -> None:
    """Log to standard error from INFO up, if the application has not set up logging itself."""
    if logging.getLogger().handlers or logger().handlers:
        return
    logging.basicConfig(format=line_format, stream=sys.stderr)
    if logger().level == logging.NOTSET:
        logger().setLevel(logging.INFO)


def _record(name: str, level: int, message: str, created: float) -> logging.LogRecord:
    # With an argument: formatters of applications may use ``msg`` and ``args`` separately.
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

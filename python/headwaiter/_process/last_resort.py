"""Hands a record of the server to the handlers of its logger, and to standard error if none of them
takes it.

``logs.py`` calls :func:`hand_on` for every record. An application may set up logging at any time,
in a way that silences every logger that it does not name: Python's ``dictConfig`` and
``fileConfig`` disable existing loggers by default, and leave the root logger without a handler. So
the decision is made for each record, on the thread that logs it. Rules:

- What the operator says of our loggers holds: their levels, their filters, a ``NullHandler``, and
  ``logging.disable``. That a logger is disabled says nothing: only ``logging.config`` does that, to
  loggers that it does not know.
- A handler takes a record unless the handler's level or one of its filters is against the record.
- A record that no handler takes goes to standard error if it is a warning or worse, or an
  announcement: where the server listens, and how it ended. ``logging.lastResort = None`` turns that
  off, as it does for Python's own last resort.
- A record is written once. An error in a handler keeps the record from no other handler.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Any

from headwaiter._process import console


def is_wanted(logger: logging.Logger, level: int, *, announces: bool) -> bool:
    """Whether ``level`` is high enough for ``logger``, although that may be disabled."""
    if logger.manager.disable >= level:
        return False
    # The root logger's level is for the application: it does not hide where the server listens.
    return level >= (logger.level if announces else logger.getEffectiveLevel())


def hand_on(logger: logging.Logger, record: logging.LogRecord, *, announces: bool) -> None:
    """Log ``record``, which is wanted. ``announces``: the operator shall see the record although it
    is no warning.

    Raises:
        BaseException: What a filter or a handler raised first. The record has been written
            nevertheless.
    """
    error: BaseException | None = None
    try:
        kept: Any = logger.filter(record)
    except BaseException as raised:
        kept, error = True, raised
    if not kept:
        return
    if kept is not True:  # from Python 3.12 on a filter may replace the record
        record = kept
    # A logger of its own whose only handler is the chain: libraries that wrap ``callHandlers`` to
    # see every record (Sentry, New Relic) see this one, and Python's last resort stays out of it.
    view = logging.Logger(record.name)  # noqa: LOG001 - not one of the tree
    view.propagate = False
    chain = _Chain(logger, announces=announces)
    view.handlers.append(chain)  # type: ignore[arg-type]  # all that callHandlers needs
    view.callHandlers(record)
    error = error or chain.error
    if error is not None:
        raise error


class _Chain:
    """All handlers of a logger and its parents as one handler."""

    level = logging.NOTSET

    def __init__(self, logger: logging.Logger, *, announces: bool) -> None:
        self._logger = logger
        self._announces = announces
        self.error: BaseException | None = None
        """What the first handler raised."""

    def handle(self, record: logging.LogRecord) -> None:
        taken = False
        logger: logging.Logger | None = self._logger
        while logger is not None:
            for handler in list(logger.handlers):
                if record.levelno >= handler.level:
                    taken |= self._takes(handler, record)
            logger = logger.parent if logger.propagate else None
        if not taken and (record.levelno >= logging.WARNING or self._announces):
            _write(record)

    def _takes(self, handler: logging.Handler, record: logging.LogRecord) -> bool:
        try:
            # ``False`` is what a filter says. Handlers of applications may return anything else.
            return handler.handle(record) is not False
        except BaseException as error:
            self.error = self.error or error
            return False


def _write(record: logging.LogRecord) -> None:
    stream = sys.stderr
    if logging.lastResort is None or stream is None:
        return
    with contextlib.suppress(OSError, ValueError):  # nobody reads it, or it is closed
        stream.write(console.shown(record, stream) + "\n")
        stream.flush()

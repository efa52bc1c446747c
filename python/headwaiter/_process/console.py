"""How log records look on standard error: the format, the colours, and the handler.

``logs.py`` installs :class:`ConsoleHandler` where the application has set up no logging;
``last_resort.py`` uses :func:`shown`. Rules: a level has a colour on a terminal, never in a file;
the handler writes no record that a handler of the application has written to the console.
"""

from __future__ import annotations

import copy
import logging
import os
import stat
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    StandardHandler = logging.StreamHandler[TextIO]
else:  # no generic class before Python 3.11
    StandardHandler = logging.StreamHandler

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
"""``asctime`` has milliseconds."""

RESET = "\x1b[0m"
COLOURS = (
    (logging.CRITICAL, "\x1b[1;31m"),
    (logging.ERROR, "\x1b[31m"),
    (logging.WARNING, "\x1b[33m"),
    (logging.INFO, "\x1b[32m"),
    (logging.NOTSET, "\x1b[2m"),
)


def is_coloured(stream: Any) -> bool:
    """Whether text on ``stream`` may have colours.

    ``NO_COLOR`` turns them off. ``FORCE_COLOR`` turns them on, also for a pipe, such as that of a
    build server; a regular file stays plain. Otherwise a terminal has them, unless ``TERM`` is
    ``dumb``.
    """
    if os.environ.get("NO_COLOR") or _is_file(stream):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    if os.environ.get("TERM") == "dumb":
        return False
    # Other consoles of Windows show the codes as text.
    return _is_terminal(stream) and (sys.platform != "win32" or "WT_SESSION" in os.environ)


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # none, or closed
        return False


def _is_file(stream: Any) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (AttributeError, OSError, ValueError):  # in memory, none, or closed
        return False


class ConsoleFormatter(logging.Formatter):
    """:data:`FORMAT`, with the level in colour."""

    def __init__(self, *, coloured: bool) -> None:
        super().__init__(FORMAT)
        self._coloured = coloured

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base's name
        if self._coloured:
            # Other handlers get the same record.
            record = copy.copy(record)
            colour = next(code for level, code in COLOURS if record.levelno >= level)
            record.levelname = f"{colour}{record.levelname}{RESET}"
        return super().formatMessage(record)


def shown(record: logging.LogRecord, stream: Any) -> str:
    """``record`` as a line of the console, with the traceback if it has one."""
    return ConsoleFormatter(coloured=is_coloured(stream)).format(record)


class ConsoleHandler(StandardHandler):
    """Standard error, for the root logger.

    Frameworks attach handlers to loggers of their own, and let the records go on to the root
    logger, which has no handler by default (Django). So this handler leaves out what such a handler
    has written to the console already.
    """

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(ConsoleFormatter(coloured=is_coloured(sys.stderr)))

    def handle(self, record: logging.LogRecord) -> bool:
        return not _is_written(record) and super().handle(record) is not False


def _is_written(record: logging.LogRecord) -> bool:
    """Whether a handler below the root logger writes ``record`` to the console."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None and logger.parent is not None:
        for handler in logger.handlers:
            if (
                _is_console(handler)
                and record.levelno >= handler.level
                and handler.filter(record) is not False
            ):
                return True
        logger = logger.parent if logger.propagate else None
    return False


def _is_console(handler: logging.Handler) -> bool:
    stream = getattr(handler, "stream", None)
    return stream is not None and stream in (
        *(sys.stdout, sys.stderr),
        *(sys.__stdout__, sys.__stderr__),
    )

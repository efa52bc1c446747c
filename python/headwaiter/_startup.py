"""The way from a parsed command line to a server that can run: logging, the application, sockets.

``cli.py`` and ``_child.py`` go this way. Rules: a user's mistake is a :class:`StartError` or a
``UsageError`` with one message; the application's traceback is shown if the application's code
raised, and only then.
"""

from __future__ import annotations

import logging
import traceback
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headwaiter import _application, _beginning, _headwaiter
from headwaiter._process import log_config, logs, signals
from headwaiter._process.interpreter import gil_watched
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.flags import UsageError, parse
from headwaiter._settings.table import ADJUSTMENTS
from headwaiter.server import Server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class StartError(Exception):
    """Why the server did not start, as one message."""


def adjustments(options: Namespace, **keywords: Any) -> Adjustments:
    """The adjustments of a command line. Reads the configuration file, and sets what it says
    besides adjustments (``_beginning.py``).

    Raises:
        UsageError: A value is wrong, or the configuration file cannot be read.
    """
    given = vars(options)
    flags = {row.name: given[row.name] for row in ADJUSTMENTS if row.name in given}
    file = _beginning.read(options)
    try:
        return Adjustments.from_flags(flags, file, options.typed, **keywords)
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from None


def load(spec: str, *, call: bool) -> WSGIApplication:
    """Import the application.

    Raises:
        StartError: There is none, or its code raised an exception.
    """
    signals.leave_by_signals()  # while the application loads, also as process 1
    try:
        with gil_watched() as extensions:
            application = _application.load(spec, call=call)
    except _application.ApplicationError as error:
        raise StartError(str(error)) from None
    except Exception as error:
        shown = traceback.format_exception(type(error), error, _application.own_traceback(error))
        raise StartError(f"{spec!r} failed to load\n{''.join(shown).rstrip()}") from None
    for name in extensions:
        text = f"the GIL is on: the extension {name!r} does not say that it can run without"
        logs.post(logging.WARNING, text)
    return application


def bind(
    application: WSGIApplication,
    adjustments: Adjustments,
    control: _headwaiter.Control | None = None,
) -> Server:
    """A server on its sockets; with ``control`` it is that of a child.

    Raises:
        StartError: The system or the engine refuses something.
    """
    try:
        return Server(application, adjustments, control)
    except OSError as error:
        where = error.filename or ", ".join(map(_listener, adjustments.listeners()))
        if str(where).startswith("access_log"):
            raise StartError(f"{where}: {error.strerror or error}") from None
        raise StartError(f"cannot listen on {where}: {error.strerror or error}") from None
    except (ValueError, RuntimeError) as error:
        raise StartError(str(error)) from None


def _listener(listener: tuple[object, ...]) -> str:
    return ":".join(map(str, listener[1:3]))


def read_log_config(adjustments: Adjustments) -> None:
    """Configure logging as the operator says, before the application is loaded, which may log
    meanwhile.

    Raises:
        UsageError: The configuration is wrong, or its file cannot be read.
    """
    try:
        log_config.set_up(adjustments.log_config, adjustments.log_level)
    except ValueError as error:
        where = adjustments.effective()["log_config"].where
        raise UsageError(f"{error} (from {where})") from None


def configure_logging(adjustments: Adjustments) -> None:
    """Configure logging after the application was loaded, unless it has done so itself."""
    logs.configure_unless_configured()
    log_config.set_level(adjustments.log_level)
    if logs.logger().level == logging.NOTSET:  # its INFO records are for the operator
        logs.logger().setLevel(logging.INFO)


def read_anew(arguments: Sequence[str]) -> Adjustments:
    """The adjustments of a command line, and its logging, for a reload of the parent.

    Raises:
        UsageError: A setting is wrong.
    """
    read = adjustments(parse(list(arguments)))
    read_log_config(read)
    configure_logging(read)
    return read

"""The way from a parsed command line to a server that can run: logging, the application, sockets.

``cli.py`` and ``_child.py`` go this way. Rules: a user's mistake is a :class:`StartError` or a
``UsageError`` with one message; the application's traceback is shown if the application's code
raised, and only then.
"""

from __future__ import annotations

import json
import logging
import traceback
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from headwaiter import _application, _beginning, _headwaiter
from headwaiter._process import logs, signals
from headwaiter._process.interpreter import gil_watched
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.flags import UsageError
from headwaiter._settings.table import ADJUSTMENTS
from headwaiter.server import Server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


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


def read_log_config(options: Namespace) -> None:
    """Configure logging from the file before the application is loaded, which may log meanwhile."""
    if options.log_config:
        try:
            _log_config(options.log_config)
        except Exception as error:
            # A handler's constructor may raise anything: the file is wrong.
            raise UsageError(f"--log-config {options.log_config}: {_why(error)}") from None
    _set_level(options)


def configure_logging(options: Namespace) -> None:
    """Configure logging after the application was loaded, unless it has done so itself."""
    logs.configure_unless_configured(LOG_FORMAT)
    _set_level(options)
    if logs.logger().level == logging.NOTSET:  # its INFO records are for the operator
        logs.logger().setLevel(logging.INFO)


def _set_level(options: Namespace) -> None:
    if options.log_level:
        logs.logger().setLevel(options.log_level.upper())


def _why(error: BaseException) -> str:
    """The message of ``logging.config`` with its cause, which says more."""
    text = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return f"{text}: {_why(error.__cause__)}" if error.__cause__ else text


def _log_config(path: str) -> None:
    import logging.config  # a tenth of the time to start, which few have a use for

    if path.endswith((".json", ".toml")):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        parsed = json.loads(text) if path.endswith(".json") else _headwaiter.load_toml(text)
        logging.config.dictConfig({"disable_existing_loggers": False, **parsed})
    else:
        with open(path, encoding="utf-8") as file:
            logging.config.fileConfig(file, disable_existing_loggers=False)

"""The way from a parsed command line to a server that can run: logging, the application, sockets.

``_alone.py`` and ``_child.py`` go this way. Rules: a user's mistake is a :class:`StartError` or a
``UsageError`` with one message; the application's traceback is shown if the application's code
raised, and only then.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import traceback
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from headwaiter import _application, _headwaiter, _importing
from headwaiter._application import Loaded
from headwaiter._process import forks, interpreter, logs, refused, signals, surroundings
from headwaiter._process.exits import StartError
from headwaiter._process.interpreter import gil_watched
from headwaiter._process.loading import ServesAlready, loading
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.flags import UsageError
from headwaiter._settings.table import ADJUSTMENTS
from headwaiter.server import Server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

AS_A_PROGRAM = 'What a module does as a program belongs under if __name__ == "__main__":'
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def adjustments(options: Namespace, **keywords: Any) -> Adjustments:
    """The adjustments of a command line.

    Raises:
        UsageError: A value is wrong, or the configuration file cannot be read.
    """
    given = vars(options)
    flags = {row.name: given[row.name] for row in ADJUSTMENTS if row.name in given}
    try:
        return Adjustments.from_flags(flags, options.config, **keywords)
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from None


def surround(options: Namespace) -> None:
    """Change the directory and the environment as ``--chdir`` and ``--env`` say. The first thing of
    a start: what follows reads both. The processes that a parent starts inherit them.

    Raises:
        UsageError: One of them is wrong.
    """
    if options.chdir is not None:
        try:
            surroundings.enter(options.chdir)
        except OSError as error:
            raise UsageError(f"--chdir {options.chdir}: {error.strerror}") from None
    try:
        surroundings.set_variables(options.env or ())
    except ValueError as error:
        raise UsageError(f"--env: {error}") from None


def load(options: Namespace) -> Loaded:
    """Import the application that a command line names.

    Raises:
        StartError: There is none, or its code raised an exception.
    """
    spec = options.application
    signals.leave_by_signals()  # while the application loads, also as process 1
    _importing.put_first(options.pythonpath or ())
    try:
        with gil_watched() as extensions, loading(spec), forks.without_forked():
            loaded = _application.load(spec, call=options.call)
    except _application.ApplicationError as error:
        raise StartError(str(error)) from None
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        text = f"{_place(error)} ended the process while {spec!r} was loaded"
        raise StartError(f"{text}: sys.exit({error.code!r}). {AS_A_PROGRAM}") from None
    except ServesAlready as error:
        raise StartError(f"{_place(error)} called {error}. {AS_A_PROGRAM}") from None
    except BaseException as error:
        shown = traceback.format_exception(type(error), error, _application.own_traceback(error))
        hint = _hint(error)
        text = f"{spec!r} failed to load\n{''.join(shown).rstrip()}"
        raise StartError(f"{text}\n{hint}" if hint else text) from None
    for name in extensions:
        text = f"the GIL is on: the extension {name!r} does not say that it can run without"
        logs.post(logging.WARNING, text)
    if loaded.name.partition(":")[0] != spec.partition(":")[0]:
        logs.post(logging.INFO, f"{spec!r} is {loaded.name!r}")
    return loaded


def _hint(error: BaseException) -> str:
    """What to do about ``error``, if that is known. It must not hide the error itself."""
    with contextlib.suppress(Exception):  # such as no memory, which may be the error
        from headwaiter import _hints

        return _hints.for_error(error)
    return ""


def _place(error: BaseException) -> str:
    """The last line of the application that ``error`` has come by."""
    frames = traceback.extract_tb(_application.own_traceback(error))
    ours = os.path.join(os.path.dirname(__file__), "")
    own = [
        frame
        for frame in frames
        if not interpreter.is_of_python(frame.filename) and not frame.filename.startswith(ours)
    ]
    return f"line {own[-1].lineno} of {own[-1].filename}" if own else "the application"


def bind(
    application: WSGIApplication,
    adjustments: Adjustments,
    control: _headwaiter.Control | None = None,
    listeners: _headwaiter.Listeners | None = None,
) -> Server:
    """A server on its sockets: on ``listeners``, if they are bound. With ``control`` it is that of
    a child.

    Raises:
        StartError: The system or the engine refuses something.
    """
    try:
        return Server(application, adjustments, control, listeners)
    except OSError as error:
        kind, _, path = str(error.filename).partition(": ")
        if kind == "access_log":
            raise StartError(access_log_refused(path, error)) from None
        where = adjustments.listeners(), adjustments.admin_listeners()
        raise StartError(refused.why(error, *where)) from None
    except (ValueError, TypeError, RuntimeError) as error:
        raise StartError(str(error)) from None


def access_log_refused(path: str, error: OSError) -> str:
    """The message for an access log that cannot be opened."""
    text = f"access_log: {path}: {error.strerror or error}"
    if error.errno != errno.EACCES or not hasattr(os, "geteuid"):
        return text
    if path.startswith(("/dev/std", "/proc/self/fd/")):
        return f"{text}: write access_log=-, which opens no file"
    return f"{text}: this process is user {os.geteuid()}'s; give this user the file"


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

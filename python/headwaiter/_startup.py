"""The way from a parsed command line to a server that can run: logging, the application, sockets.

``_alone.py`` and ``_child.py`` go this way. Rules: a user's mistake is a :class:`StartError` or a
``UsageError`` with one message; the application's traceback is shown if the application's code
raised, and only then.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import traceback
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headwaiter import _application, _beginning, _headwaiter, _importing
from headwaiter._application import Loaded
from headwaiter._process import forks, interpreter, log_config, logs, refused, signals
from headwaiter._process.exits import StartError
from headwaiter._process.interpreter import gil_watched
from headwaiter._process.loading import ServesAlready, loading
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.flags import UsageError, parse
from headwaiter._settings.table import ADJUSTMENTS
from headwaiter.server import Server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

AS_A_PROGRAM = 'What a module does as a program belongs under if __name__ == "__main__":'


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

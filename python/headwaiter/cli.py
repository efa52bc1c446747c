"""The command line: ``headwaiter MODULE:OBJECT``, and ``headwaiter top`` (``_top/``).

``__main__.py`` calls :func:`run`. Rules: a user's mistake gives one message on standard error and
an exit status, never a traceback of the server. The application's traceback is shown if the
application's code raised, and only then.
"""

from __future__ import annotations

import json
import logging
import logging.config
import os
import socket
import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headwaiter import _application, _headwaiter
from headwaiter._process import logs, output, pid_file, signals, systemd
from headwaiter._process.exits import CUT, DONE, NOT_STARTED, USAGE
from headwaiter._process.interpreter import python_build
from headwaiter._settings.adjustments import Adjustments, Effective
from headwaiter._settings.flags import UsageError, make_parser, parse
from headwaiter._settings.listen import bracketed, excluded_by
from headwaiter._settings.table import ADJUSTMENTS, BY_NAME
from headwaiter.server import Server, run_until_signalled

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class StartError(Exception):
    """Why the server did not start, as one message."""


def run(arguments: Sequence[str]) -> int:
    """Do what ``arguments`` ask for; the program's name is not among them.

    Returns:
        The exit status, see ``_process/exits.py``.
    """
    if arguments and arguments[0] == "top":
        from headwaiter._top import command

        return command.run(arguments[1:])
    if arguments and arguments[0] == "ctl":
        from headwaiter._parent import ctl

        return ctl.run(arguments[1:])
    try:
        options = parse(list(arguments))
        if options.help:
            with output.written():
                print(make_parser().format_help(), end="")
            return DONE
        if options.version:
            with output.written():
                print(f"headwaiter {_headwaiter.__version__}, {python_build()}")
            return DONE
        adjustments = _adjustments(options)
        if options.check_config:
            _print_effective(adjustments)
        if options.application is None:
            raise UsageError("name the application to serve: MODULE:OBJECT")
        _read_log_config(options)
        if options.check_config:
            return _check(options, adjustments)
    except UsageError as error:
        return _fail(f"{error}\nSee headwaiter --help.", USAGE)
    if adjustments.supervised_by():
        return _supervise(arguments, options, adjustments)
    try:
        application = _load(options.application, call=options.call)
        _configure_logging(options)
        server = _bind(application, adjustments)
    except StartError as error:
        return _fail(str(error), NOT_STARTED)
    try:
        with pid_file.held(adjustments.pid_file):
            run_until_signalled(server, ends_process=True)
    except (OSError, RuntimeError) as error:  # such as no descriptor or thread left
        return _fail(f"cannot serve: {error}", NOT_STARTED)
    return CUT if server.unfinished else DONE


def _supervise(arguments: Sequence[str], options: Namespace, adjustments: Adjustments) -> int:
    """Serve by child processes, which load the application."""
    from headwaiter._parent import start

    _configure_logging(options)
    try:
        return start.run(arguments, adjustments)
    except start.StartError as error:
        return _fail(str(error), NOT_STARTED)


def _check(options: Namespace, adjustments: Adjustments) -> int:
    """Start up to the point where connections would be accepted, and close everything again."""
    access_log, adjustments.access_log = adjustments.access_log, None
    try:
        _bind(_load(options.application, call=options.call), adjustments).close()
        _check_access_log(access_log)
    except StartError as error:
        return _fail(str(error), NOT_STARTED)
    return DONE


def _check_access_log(path: str | None) -> None:
    """Check that the file can be written. Do not create it: another user may run this check."""
    if path in (None, "-", "logger"):
        return
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
    except FileNotFoundError:
        folder = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(folder):
            raise StartError(f"access_log: {folder!r} is not a directory") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise StartError(f"access_log: no permission to write in {folder!r}") from None
    except OSError as error:
        raise StartError(f"access_log: {path}: {error.strerror}") from None


def _adjustments(options: Namespace) -> Adjustments:
    given = vars(options)
    flags = {row.name: given[row.name] for row in ADJUSTMENTS if row.name in given}
    try:
        adjustments = Adjustments.from_flags(flags, options.config)
        sockets = _inherited_sockets(adjustments)
        if sockets:
            adjustments = Adjustments.from_flags(flags, options.config, sockets=sockets)
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from None
    return adjustments


def _inherited_sockets(adjustments: Adjustments) -> list[socket.socket]:
    """The sockets that the service manager passes. Clients connect to them already, so the server
    must serve them."""
    try:
        sockets = systemd.inherited_sockets()
    except OSError as error:
        raise UsageError(f"LISTEN_FDS: {error.strerror}") from None
    others = excluded_by(["sockets"]) & adjustments.given_names()
    if sockets and others:
        effective = adjustments.effective()
        origins = sorted({effective[name].where for name in others})
        raise UsageError(
            "LISTEN_FDS: the service manager passes sockets to listen on; "
            f"take these away, or {' and '.join(origins)}"
        )
    return sockets


def _load(spec: str, *, call: bool) -> WSGIApplication:
    signals.leave_by_signals()  # while the application loads, also as process 1
    try:
        return _application.load(spec, call=call)
    except _application.ApplicationError as error:
        raise StartError(str(error)) from None
    except Exception as error:
        shown = traceback.format_exception(type(error), error, _application.own_traceback(error))
        raise StartError(f"{spec!r} failed to load\n{''.join(shown).rstrip()}") from None


def _bind(application: WSGIApplication, adjustments: Adjustments) -> Server:
    try:
        return Server(application, adjustments)
    except OSError as error:
        where = error.filename or ", ".join(map(_listener, adjustments.listeners()))
        if str(where).startswith("access_log"):
            raise StartError(f"{where}: {error.strerror or error}") from None
        raise StartError(f"cannot listen on {where}: {error.strerror or error}") from None
    except (ValueError, RuntimeError) as error:
        raise StartError(str(error)) from None


def _listener(listener: tuple[object, ...]) -> str:
    return ":".join(map(str, listener[1:3]))


def _read_log_config(options: Namespace) -> None:
    """Configure logging from the file before the application is loaded, which may log meanwhile."""
    if options.log_config:
        try:
            _log_config(options.log_config)
        except Exception as error:
            # A handler's constructor may raise anything: the file is wrong.
            raise UsageError(f"--log-config {options.log_config}: {_why(error)}") from None
    _set_level(options)


def _configure_logging(options: Namespace) -> None:
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
    if path.endswith((".json", ".toml")):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        load = json.loads if path.endswith(".json") else _headwaiter.load_toml
        logging.config.dictConfig({"disable_existing_loggers": False, **load(text)})
    else:
        with open(path, encoding="utf-8") as file:
            logging.config.fileConfig(file, disable_existing_loggers=False)


def _print_effective(adjustments: Adjustments) -> None:
    effective = adjustments.effective()
    values = {name: _shown(name, item) for name, item in effective.items()}
    name_width = max(map(len, values))
    value_width = min(max(map(len, values.values())), 40)
    with output.written():
        for name, item in effective.items():
            origin = f"{item.origin} {item.where}".strip()
            print(f"{name:<{name_width}}  {values[name]:<{value_width}}  {origin}")


def _shown(name: str, item: Effective) -> str:
    if name == "listen":
        return " ".join(f"{bracketed(info[3][0])}:{info[3][1]}" for info in item.value) or "none"
    if name == "sockets":
        return " ".join(str(sock.getsockname()) for sock in item.value) or "none"
    return BY_NAME[name].shown(item.value) or "''"


def _fail(message: str, status: int) -> int:
    print(f"headwaiter: {message}", file=sys.stderr)
    return status

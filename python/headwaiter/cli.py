"""The command line: ``headwaiter MODULE:OBJECT``, ``headwaiter top`` and ``headwaiter advise``
(``_top/``), ``headwaiter ctl`` (``_parent/``), and ``headwaiter migrate`` (``_migrate/``).

``__main__.py`` calls :func:`run`. Rules: a user's mistake gives one message on standard error and
an exit status, never a traceback of the server. The application's traceback is shown if the
application's code raised, and only then.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from headwaiter import _alone, _headwaiter
from headwaiter import _beginning as beginning
from headwaiter import _startup as startup
from headwaiter._privileges import Privileges
from headwaiter._process import output, systemd
from headwaiter._process.exits import DONE, NOT_STARTED, USAGE, StartError
from headwaiter._process.interpreter import python_build
from headwaiter._settings.adjustments import Adjustments, Effective
from headwaiter._settings.flags import UnknownOption, UsageError, parse
from headwaiter._settings.listen import excluded_by, shown
from headwaiter._settings.table import BY_NAME
from headwaiter._settings.variables import PORT_VARIABLE


def run(arguments: Sequence[str]) -> int:
    """Do what ``arguments`` ask for; the program's name is not among them.

    Returns:
        The exit status, see ``_process/exits.py``.
    """
    if arguments and arguments[0] == "top":
        from headwaiter._top import command

        return command.run(arguments[1:])
    if arguments and arguments[0] == "advise":
        from headwaiter._top import advise

        return advise.run(arguments[1:])
    if arguments and arguments[0] == "ctl":
        from headwaiter._parent import ctl

        return ctl.run(arguments[1:])
    if arguments and arguments[0] == "migrate":
        from headwaiter._migrate import command as migrate

        return migrate.run(arguments[1:])
    try:
        options = parse(list(arguments))
        told = _told(options)
        if told:
            with output.written():
                print(told, end="")
            return DONE
        arguments = beginning.enter(options, arguments)
        adjustments = _adjustments(options)
        if options.print_config:
            from headwaiter._settings import saving

            saved = saving.text(adjustments.given(), adjustments.implied(), options.beginning)
            with output.written():
                print(saved, end="")
            return DONE
        if options.check_config:
            _print_effective(adjustments)
        if options.application is None:
            raise UsageError("name the application to serve: MODULE:OBJECT")
    except UnknownOption as error:
        from headwaiter._migrate import elsewhere

        answer = elsewhere.answer(error.name)
        said = f"no such option: {error.name}; {answer}" if answer else error
        return _fail(f"{said}\nSee headwaiter --help.", USAGE)
    except UsageError as error:
        return _fail(f"{error}\nSee headwaiter --help.", USAGE)
    try:
        privileges = Privileges(options, adjustments)
        if options.check_config:
            _alone.check(options, adjustments, privileges)
            return DONE
        if adjustments.supervised_by():
            return _supervise(arguments, adjustments, privileges)
        return _alone.serve(options, adjustments, privileges)
    except UsageError as error:
        return _fail(f"{error}\nSee headwaiter --help.", USAGE)
    except StartError as error:
        return _fail(str(error), NOT_STARTED)


def _told(options: Namespace) -> str:
    """What somebody asks for who does not want to start a server."""
    if options.help or options.help_all:
        from headwaiter._settings import help as helps

        return helps.whole() if options.help_all else helps.short()
    if options.completion:
        from headwaiter._settings import completion

        return completion.script(options.completion)
    return f"headwaiter {_headwaiter.__version__}, {python_build()}\n" if options.version else ""


def _supervise(arguments: Sequence[str], adjustments: Adjustments, privileges: Privileges) -> int:
    """Serve by child processes, which load the application."""
    from headwaiter._parent import start

    def settle(made: Sequence[str]) -> None:
        privileges.drop(made)
        startup.read_log_config(adjustments)
        startup.configure_logging(adjustments)

    return start.run(arguments, adjustments, lambda: startup.read_anew(arguments), settle)


def _adjustments(options: Namespace) -> Adjustments:
    adjustments = startup.adjustments(options)
    try:
        passed = systemd.inherited_sockets()
    except OSError as error:
        raise UsageError(f"LISTEN_FDS: {error.strerror}") from None
    serving = [(name, sock) for name, sock in passed if name != systemd.ADMIN]
    admin = [sock for name, sock in passed if name == systemd.ADMIN]
    # Clients connect to the sockets already, so the server must serve them.
    if serving:
        _refuse(adjustments, excluded_by(["sockets"]), "sockets to listen on; take these")
        adjustments = startup.adjustments(options, sockets=[sock for _, sock in serving])
        adjustments.socket_names = [name for name, _ in serving]
    if admin:
        _refuse(adjustments, {"admin"}, "a socket named admin; take it")
        try:
            adjustments.serve_admin(admin, "LISTEN_FDS")
        except ValueError as error:
            raise UsageError(f"LISTEN_FDS: {error}") from None
    try:
        adjustments.check_descriptors()
    except ValueError as error:
        raise UsageError(str(error)) from None
    return adjustments


def _refuse(adjustments: Adjustments, names: set[str], passed: str) -> None:
    """Refuse adjustments that name other addresses than the service manager passes."""
    given = adjustments.given()
    # PORT is of the platform, and says nothing where a service manager passes sockets.
    others = [given[name] for name in names & given.keys() if given[name].where != PORT_VARIABLE]
    if others:
        origins = sorted({item.where for item in others})
        text = f"the service manager passes {passed} away, or {' and '.join(origins)}"
        raise UsageError(f"LISTEN_FDS: {text}")


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
        return shown(item.value) or "none"
    if name == "sockets":
        return " ".join(str(sock.getsockname()) for sock in item.value) or "none"
    return BY_NAME[name].shown(item.value) or "''"


def _fail(message: str, status: int) -> int:
    print(f"headwaiter: {message}", file=sys.stderr)
    return status

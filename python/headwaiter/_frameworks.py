"""The command line inside that of a framework: ``manage.py headwaiter``, ``flask headwaiter``.

``django/`` and ``flask.py`` call :func:`run`. The framework knows the application, so its command
takes an address in place of ``MODULE:OBJECT``. Rules: options, messages and exit statuses are those
of the command line. One process serves in the process of the command. For more of them the command
executes the command line in its own place: a parent never loads the application
(``_parent/start.py``), and the framework's command may have done so.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from headwaiter import __main__, cli
from headwaiter import _startup as startup
from headwaiter._process import interpreter, logs
from headwaiter._process.exits import NOT_STARTED, USAGE
from headwaiter._settings.flags import UsageError, parse


class Site(NamedTuple):
    """What the framework's command knows."""

    command: str
    """What the user has called, such as ``manage.py headwaiter``."""
    application: str
    """``MODULE:OBJECT``."""
    is_factory: bool = False
    paths: Sequence[str] = ()
    """Directories that must be importable, besides the current one."""
    alone: str = ""
    """Why other processes cannot load the application; empty if they can."""


def run(arguments: Sequence[str], site: Site) -> int:
    """Serve ``site``; ``arguments`` are options of the command line, and an address at most.

    Returns:
        The exit status, see ``_process/exits.py``. Does not return if several processes serve.
    """
    return __main__.main(arguments, functools.partial(_run, site))


def _run(site: Site, arguments: Sequence[str]) -> int:
    argv = [*arguments]
    try:
        argv = command_line(arguments, site)
        supervised = _supervised_by(argv)
    except UsageError:
        return cli.run(argv)  # it says what is wrong
    except NotHereError as error:
        return _fail(f"{site.command} {error}", USAGE)
    if not supervised:
        return cli.run(argv)
    if site.alone:
        return _fail(f"{supervised} asks for more than this process: {site.alone}", USAGE)
    return _become(argv, site)


class NotHereError(Exception):
    """An option of the command line that a framework's command does not have."""


def command_line(arguments: Sequence[str], site: Site) -> list[str]:
    """The arguments of ``headwaiter`` that serve ``site`` as ``arguments`` ask for.

    Raises:
        UsageError: The arguments are wrong.
        NotHereError: They name an application.
    """
    options = parse([*arguments])
    if options.app or options.call:
        raise NotHereError("knows its application: leave --app and --factory out")
    given, address = [*arguments], options.application
    if address is not None:
        given = [*_without(given, address), f"--listen={address}"]
    return [*given, *(["--factory"] if site.is_factory else []), site.application]


def _without(arguments: list[str], address: str) -> list[str]:
    """``arguments`` without the address. An option may have the same text as its value."""
    found = (at for at, argument in enumerate(arguments) if argument == address)
    rests = (arguments[:at] + arguments[at + 1 :] for at in found)
    return next(filter(_names_nothing, rests), arguments)


def _names_nothing(arguments: list[str]) -> bool:
    try:
        return parse(arguments).application is None
    except UsageError:  # the argument was the value of an option
        return False


def _supervised_by(argv: list[str]) -> str:
    """The adjustment that asks for more than this process; empty if none does, or if nothing is to
    be served."""
    options = parse(argv)
    if any(getattr(options, name, None) for name in SHOWN):
        return ""
    with _silence():  # the command line reads the same again, and says what there is to say
        return startup.adjustments(options).supervised_by()


@contextmanager
def _silence() -> Iterator[None]:
    def drop(_record: logging.LogRecord) -> bool:
        return False

    logger = logs.logger()
    logger.addFilter(drop)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeFilter(drop)


def _become(argv: list[str], site: Site) -> int:
    """Execute the command line in the place of this program; return only if that fails."""
    environ = dict(os.environ)
    inherited = filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))
    paths = dict.fromkeys([*site.paths, *inherited])
    if paths:
        environ["PYTHONPATH"] = os.pathsep.join(paths)
    command = [*interpreter.command("headwaiter"), *argv]
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(command[0], command, environ)
    except OSError as error:
        return _fail(f"{command[0]}: {error.strerror}", NOT_STARTED)


def _fail(message: str, status: int) -> int:
    print(f"headwaiter: {message}", file=sys.stderr)
    return status


SHOWN = ("help", "help_all", "version", "completion", "check_config", "print_config")
"""Options that start no server."""

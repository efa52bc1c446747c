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
from headwaiter._process import logs
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
    try:
        argv = command_line(arguments, site)
        supervised = _supervised_by(argv)
        if supervised and site.alone:
            raise UsageError(f"{supervised} asks for more than this process: {site.alone}")
    except UsageError as error:
        return _fail(f"{error}\nSee {site.command} --help.", USAGE)
    return _become(argv, site) if supervised else cli.run(argv)


def command_line(arguments: Sequence[str], site: Site) -> list[str]:
    """The arguments of ``headwaiter`` that serve ``site`` as ``arguments`` ask for.

    Raises:
        UsageError: An option is wrong, there are two addresses, or an application is named.
    """
    options = parse([*arguments])
    if options.app or options.call:
        raise UsageError(f"{site.command} knows its application: leave --app and --call out")
    given, address = [*arguments], options.application
    if address is not None:
        given = [*_without(given, address), *_listening(address)]
    return [*given, *(["--call"] if site.is_factory else []), site.application]


def _without(arguments: list[str], address: str) -> list[str]:
    """``arguments`` without the address. An option may have the same text as its value."""
    for at, argument in enumerate(arguments):
        rest = arguments[:at] + arguments[at + 1 :]
        if argument == address and _names_nothing(rest):
            return rest
    raise UsageError(f"what is {address!r}? Write it as --listen={address}")


def _names_nothing(arguments: list[str]) -> bool:
    try:
        return parse(arguments).application is None
    except UsageError:  # the argument was the value of an option
        return False


def _listening(address: str) -> list[str]:
    """``8000``, ``:8000``, ``unix:/path`` and whatever ``listen`` takes."""
    kind, _, rest = address.rpartition(":")
    if address.startswith("unix:"):
        return [f"--unix-socket={address[len('unix:') :]}"]
    if rest.isdigit() and not kind:
        return [f"--listen=0.0.0.0:{rest}"]
    if ":" not in address and "." not in address:
        raise UsageError(f"{address!r} is no address: write PORT or HOST:PORT")
    return [f"--listen={address}"]


def _supervised_by(argv: list[str]) -> str:
    """The adjustment that asks for more than this process; empty if none does."""
    options = parse(argv)
    if options.help or options.version or options.check_config:
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
    from headwaiter._parent.start import interpreter

    environ = dict(os.environ)
    inherited = filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))
    paths = dict.fromkeys([*site.paths, *inherited])
    if paths:
        environ["PYTHONPATH"] = os.pathsep.join(paths)
    command = [*interpreter(), "-m", "headwaiter", *argv]
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(command[0], command, environ)
    except OSError as error:
        return _fail(f"{command[0]}: {error.strerror}", NOT_STARTED)


def _fail(message: str, status: int) -> int:
    print(f"headwaiter: {message}", file=sys.stderr)
    return status

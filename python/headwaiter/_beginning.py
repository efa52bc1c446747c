"""What comes before the adjustments: the directory of the start, the configuration file, and the
environment.

The command line enters the directory, once. The processes that a parent starts are there already;
they read the file and set the environment anew. Rules: an option beats the file; every relative
path starts at the directory that the server has entered, except that of the file which names it.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from headwaiter._process import surroundings
from headwaiter._settings import files
from headwaiter._settings.files import ConfigFile
from headwaiter._settings.flags import UsageError
from headwaiter._settings.variables import Given


def enter(options: Namespace, arguments: Sequence[str]) -> list[str]:
    """Enter the directory that ``--chdir`` or the configuration file names.

    Returns:
        The command line for other processes of this server, which start in that directory.

    Raises:
        UsageError: There is no such directory, or the file is wrong.
    """
    _set_variables(options.env or [], "--env")  # may name the file
    if options.chdir:
        _enter(options.chdir, "--chdir")
        return list(arguments)
    file = _chosen(options)
    if file.beginning.get("chdir"):
        _enter(file.beginning["chdir"], f"chdir of {file.path}")
        options.config = file.path
        end = arguments.index("--") if "--" in arguments else len(arguments)
        return [*arguments[:end], f"--config={file.path}", *arguments[end:]]
    return list(arguments)


def read(options: Namespace) -> ConfigFile:
    """Read the configuration file, once for these ``options``, and set the environment.

    ``application``, ``pythonpath`` and ``env`` of ``options`` are completed from the file;
    ``beginning`` has them with their origins.

    Raises:
        UsageError: The file is wrong or cannot be read, or ``--env`` is wrong.
    """
    if "file" not in options:
        _set_variables(options.env or [], "--env")
        file = _chosen(options)
        _complete(options, file)
        _set_variables(file.beginning.get("env", []), f"env of {file.path}")
        _set_variables(options.env, "--env")
        options.file = file
    found: ConfigFile = options.file
    return found


def _chosen(options: Namespace) -> ConfigFile:
    """The file. ``found_config`` of ``options`` is its path if nobody has named it."""
    try:
        file = files.NO_FILE if options.no_config else files.chosen(options.config)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from None
    if "found_config" not in options:
        options.found_config = file.path if file.is_found else ""
    return file


def _enter(directory: str, where: str) -> None:
    try:
        surroundings.enter(directory)
    except OSError as error:
        raise UsageError(f"{where}: {directory}: {error.strerror}") from None


def _set_variables(assignments: Sequence[str], where: str) -> None:
    try:
        surroundings.set_variables(assignments)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def _complete(options: Namespace, file: ConfigFile) -> None:
    """Lists are joined: the first path counts, and the last of two values for a variable."""
    told = file.beginning
    options.beginning = {name: Given(value, "file", file.where) for name, value in told.items()}
    for name in files.BEGINNING:
        if getattr(options, name):
            where = "" if name == "application" else f"--{name}"
            options.beginning[name] = Given(getattr(options, name), "argument", where)
    options.pythonpath = [*(options.pythonpath or []), *told.get("pythonpath", [])]
    options.env = [*told.get("env", []), *(options.env or [])]
    options.application = options.application or told.get("application")
    for name in ("pythonpath", "env"):
        if name in options.beginning:
            options.beginning[name] = options.beginning[name]._replace(value=getattr(options, name))

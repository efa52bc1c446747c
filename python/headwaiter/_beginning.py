"""What comes before the adjustments: the configuration file, the directory of the start and the
environment.

The command line enters the directory, once. The processes that a parent starts are there already;
they read the file and set the environment anew. Rules: an option beats the file; every relative
path starts at the directory that the server has entered, except that of the file which names it.
"""

from __future__ import annotations

import os
import sys
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
    """Read the configuration file, and set what it says besides adjustments: ``application``, if
    ``options`` name none, and environment variables. ``options.beginning`` has all of that
    afterwards, with its origins.

    Raises:
        UsageError: The file is wrong or cannot be read, or ``--env`` is wrong.
    """
    _set_variables(options.env or [], "--env")  # may name the file
    file = _chosen(options)
    _set_variables(file.beginning.get("env", []), f"env of {file.path}")
    _set_variables(options.env or [], "--env")
    options.beginning = _given(options, file)
    if options.application is None:
        options.application = file.beginning.get("application")
    return file


def make_importable(options: Namespace) -> None:
    """Let the application be imported from the directories of ``pythonpath``, in their order and
    before all others."""
    given = options.beginning.get("pythonpath")
    listed = [path for text in (given.value if given else []) for path in text.split(os.pathsep)]
    paths = [os.path.abspath(path) for path in listed if path]
    sys.path[:] = [*paths, *(path for path in sys.path if path not in paths)]


def _chosen(options: Namespace) -> ConfigFile:
    try:
        return files.NO_FILE if options.no_config else files.chosen(options.config)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from None


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


def _given(options: Namespace, file: ConfigFile) -> dict[str, Given]:
    """What is said besides adjustments, and where. Lists are joined: the first path counts, and
    the last of two values for a variable."""
    found = {name: Given(value, "file", file.where) for name, value in file.beginning.items()}
    for name in files.BEGINNING:
        value, earlier = getattr(options, name), found.get(name)
        if not value or (earlier and earlier.value == value):
            continue
        if earlier and name == "env":
            value = [*earlier.value, *value]
        elif earlier and name == "pythonpath":
            value = [*value, *earlier.value]
        found[name] = Given(value, "argument", "" if name == "application" else f"--{name}")
    return found

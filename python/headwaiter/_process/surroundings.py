"""Where the process runs, and with which environment: ``--chdir``, ``--env`` and ``umask``.

``_beginning.py`` changes the first two before anything is read, so every relative path of the
command line starts at the new directory. The processes that a parent starts inherit all three.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable


def logical_directory() -> str:
    """The current directory as the shell names it.

    A deployment may replace a symbolic link; a reload then starts in the new directory.
    """
    named, real = os.environ.get("PWD", ""), os.getcwd()
    with contextlib.suppress(OSError):
        if os.path.isabs(named) and os.path.samefile(named, real):
            return named
    return real


def enter(directory: str) -> None:
    """Make ``directory`` the current one, and name it as a shell would after ``cd``.

    Raises:
        OSError: There is no such directory, or this process may not enter it.
    """
    is_absolute = os.path.isabs(directory)
    named = directory if is_absolute else os.path.join(logical_directory(), directory)
    os.chdir(directory)
    os.environ["PWD"] = named


def set_variables(assignments: Iterable[str]) -> None:
    """Set the environment variables of ``NAME=VALUE`` texts.

    Raises:
        ValueError: A text has another form.
    """
    for text in assignments:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ValueError(f"expected NAME=VALUE, got {text!r}")
        os.environ[name] = value

"""TOML files with adjustments: which one is read, and what is in it.

The command line finds ``headwaiter.toml``, or ``[tool.headwaiter]`` in ``pyproject.toml``, in the
current directory. Programs that call ``serve`` name a file. Rules: a mistake in a file is a
``ValueError`` with the name of the file; nothing is cast here.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from headwaiter import _headwaiter
from headwaiter._settings.casts import (
    BYTES,
    INTEGER,
    PROCESSES,
    SECONDS,
    THREADS,
    WHOLE_SECONDS,
)
from headwaiter._settings.suggestions import other_name
from headwaiter._settings.table import ADJUSTMENTS, BY_NAME
from headwaiter._settings.variables import CONFIG_VARIABLE, Given, warn_once

OWN = "headwaiter.toml"
PROJECT = "pyproject.toml"
TABLE = "headwaiter"
BEGINNING = ("application", "chdir", "pythonpath", "env")
"""What a file may say besides adjustments: which application, and what surrounds it. Only the
command line heeds it."""


class ConfigFile(NamedTuple):
    """A file that was read. ``where`` is its path as it was given, ``path`` the absolute one; both
    are empty if there is no file. ``is_found``: nobody has named it."""

    where: str
    path: str
    values: dict[str, Given]
    beginning: dict[str, Any]
    is_found: bool = False


NO_FILE = ConfigFile("", "", {}, {})


def chosen(config: str | None) -> ConfigFile:
    """The file that the command line reads: ``config``, the one that ``HEADWAITER_CONFIG`` names,
    or the one in the current directory.

    Raises:
        ValueError: The file is wrong.
        OSError: The file cannot be read.
    """
    path = config or os.environ.get(CONFIG_VARIABLE)
    return read(path) if path else found()


def found() -> ConfigFile:
    """The file in the current directory, if there is one.

    Raises:
        ValueError, OSError: As for :func:`chosen`.
    """
    has_own = os.path.isfile(OWN)
    document = _document(PROJECT) if _may_have_table(PROJECT) else {}
    table = _tool_table(document)
    if has_own:
        if table is not None:
            warn_once(f"{OWN} is read, [tool.{TABLE}] in {PROJECT} is not")
        return read(OWN)._replace(is_found=True)
    return NO_FILE if table is None else _checked(PROJECT, table)._replace(is_found=True)


def read(path: str | os.PathLike[str]) -> ConfigFile:
    """The ``[headwaiter]`` or ``[tool.headwaiter]`` table of a file, or its top level if there is
    no such table.

    Raises:
        ValueError, OSError: As for :func:`chosen`.
    """
    where = os.fspath(path)
    document = _document(where)
    table = document.get(TABLE)
    if table is None:
        table = _tool_table(document)
    if table is None and os.path.basename(where) == PROJECT:
        raise ValueError(f"{where}: there is no table [tool.{TABLE}]")
    return _checked(where, document if table is None else table)


def of_program(config: str | os.PathLike[str] | None) -> ConfigFile:
    """The file of a program that calls ``serve``: ``config``, or the one that
    ``HEADWAITER_CONFIG`` names.

    Raises:
        ValueError, OSError: As for :func:`chosen`.
    """
    path = config or os.environ.get(CONFIG_VARIABLE)
    file = read(path) if path else NO_FILE
    ignored = [name for name in file.beginning if name != "application"]
    if ignored:
        names = ", ".join(ignored)
        warn_once(f"{os.fspath(path or '')}: {names}: only the headwaiter command heeds this")
    return file


def _may_have_table(path: str) -> bool:
    """Whether a file has the name of the table in it: a broken file of others is their affair."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return f"tool.{TABLE}" in file.read()
    except PermissionError:
        raise  # the settings may be in there
    except OSError:
        return False


def _document(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            return _headwaiter.load_toml(file.read())
    except ValueError as error:  # a UnicodeDecodeError is one, too
        raise ValueError(f"{path}: {str(error).rstrip()}") from None


def _tool_table(document: dict[str, Any]) -> Any:
    tool = document.get("tool")
    return tool.get(TABLE) if isinstance(tool, dict) else None


def _checked(where: str, table: Any) -> ConfigFile:
    if not isinstance(table, dict):
        raise ValueError(f"{where}: {TABLE} must be a table")
    known = [row.name for row in ADJUSTMENTS if not row.keyword_only]
    values, beginning = {}, {}
    for name, value in table.items():
        if name in BEGINNING:
            beginning[name] = _of_beginning(where, name, value)
        elif name in known:
            _check_type(where, name, value)
            values[name] = Given(value, "file", where)
        else:
            hint = other_name(name, [*known, *BEGINNING])
            raise ValueError(f"{where}: unknown adjustment {name!r}{hint}")
    return ConfigFile(where, _absolute(where), values, beginning)


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)
    except OSError:  # the current directory is gone
        return path


def _of_beginning(where: str, name: str, value: Any) -> Any:
    """What the command line makes of the same: texts, and ``NAME=VALUE`` for variables."""
    if name == "env":
        if not isinstance(value, dict):
            raise ValueError(f'{where}: env: expected a table, such as env = {{ NAME = "text" }}')
        for variable, text in value.items():
            if isinstance(text, bool) or not isinstance(text, (str, int, float)):
                raise ValueError(f"{where}: env: {variable}: expected text, got {_shown(text)}")
        return [f"{variable}={text}" for variable, text in value.items()]
    if name == "pythonpath" and isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return value
    elif isinstance(value, str):
        return [value] if name == "pythonpath" else value
    raise ValueError(f"{where}: {name}: expected text, got {_shown(value)}")


def _check_type(where: str, name: str, value: Any) -> None:
    """Refuse a TOML value of another type, which is a mistake; casts are as lenient as in
    Waitress."""
    kind = BY_NAME[name].kind
    whole = kind in (INTEGER, THREADS, PROCESSES, BYTES, WHOLE_SECONDS)
    if (whole and isinstance(value, (bool, float))) or (
        kind is SECONDS and isinstance(value, bool)
    ):
        raise ValueError(f"{where}: {name}: expected {kind.noun}, got {_shown(value)}")


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

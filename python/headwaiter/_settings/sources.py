"""The sources of values, and which of them wins.

There are three sources. The first that names an adjustment wins: arguments (keywords or flags), the
``HEADWAITER_*`` environment variables, the TOML file. ``adjustments.py`` reads them by
:func:`collect`; nothing is cast here. Rules: every value keeps its origin, so that errors and
``--check-config`` can name it; a value that lost is never cast, so it never fails.

Some adjustments that say where to listen exclude each other. Two of them from one source are an
error (``listen.py``). Otherwise the higher-priority source wins: with ``--listen`` a
``HEADWAITER_HOST`` is ignored, with ``--port`` it is not.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from headwaiter import _headwaiter
from headwaiter._process import console, logs
from headwaiter._settings.casts import (
    BYTES,
    FIELD_VALUE,
    INTEGER,
    PROCESSES,
    SECONDS,
    THREADS,
    URL_PREFIX,
    WHOLE_SECONDS,
)
from headwaiter._settings.listen import check_exclusive, excluded_by
from headwaiter._settings.table import ADJUSTMENTS, BY_NAME, ENVIRONMENT_PREFIX, did_you_mean

CONFIG_VARIABLE = ENVIRONMENT_PREFIX + "CONFIG"
SLOT_VARIABLE = ENVIRONMENT_PREFIX + "PROCESS"
"""Tells a child of several its number."""
CONCURRENCY_VARIABLE = "WEB_CONCURRENCY"
PLAIN = "%(s)s %(r)s %(M)s ms"
COLORED = "%(colored)s %(r)s %(M)s ms"
"""Formats of the access log for ``dev``."""
EMPTY_MEANS_NONE = (FIELD_VALUE, URL_PREFIX)
TABLE = "headwaiter"


class Given(NamedTuple):
    """A value as it was given. ``origin`` is argument, environment or file; ``where`` is the flag,
    the variable or the path, and empty for a keyword argument."""

    value: Any
    origin: str
    where: str = ""


def collect(
    arguments: Mapping[str, Given], config: str | os.PathLike[str] | None
) -> dict[str, Given]:
    """The values that win, by adjustment; defaults are not among them.

    ``config`` names the TOML file; ``None`` leaves that to ``HEADWAITER_CONFIG``.

    Raises:
        ValueError: A name is unknown, names exclude each other, or the file is not TOML.
        OSError: The file cannot be read.
    """
    path = config or os.environ.get(CONFIG_VARIABLE)
    layers = [arguments, from_environment(os.environ), from_file(path) if path else {}]
    chosen: dict[str, Given] = {}
    for layer in layers:
        check_exclusive(layer)
        ignored = excluded_by(chosen)
        for name, given in layer.items():
            if name not in chosen and name not in ignored:
                chosen[name] = given
    return chosen


def with_concurrency(given: Mapping[str, Given], environ: Mapping[str, str]) -> dict[str, Given]:
    """``given``, and ``processes`` from ``WEB_CONCURRENCY`` if no source names it.

    Platforms set that variable for every program, so only the command line reads it.
    """
    value = environ.get(CONCURRENCY_VARIABLE)
    if not value or "processes" in given:
        return dict(given)
    return {**given, "processes": Given(value, "environment", CONCURRENCY_VARIABLE)}


def with_dev(given: Mapping[str, Given]) -> dict[str, Given]:
    """``given``, and what ``dev`` says of adjustments that are not given."""
    says = {"threads": "auto", "expose_tracebacks": True}
    if sys.platform != "win32":
        says["reload"] = True
    if "access_log" not in given:
        is_colored = console.is_coloured(sys.stdout)
        says.update(access_log="-", access_log_format=COLORED if is_colored else PLAIN)
    _, origin, where = given["dev"]
    return {**{name: Given(value, origin, where) for name, value in says.items()}, **given}


def from_keywords(keywords: Mapping[str, Any]) -> dict[str, Given]:
    for name in keywords:
        if name not in BY_NAME:
            raise ValueError(f"unknown adjustment {name!r}{did_you_mean(name, BY_NAME)}")
    return {name: Given(value, "argument") for name, value in keywords.items()}


def from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    """The values of environment variables. An empty variable counts as unset, unless empty text has
    a meaning (``HEADWAITER_IDENT=``)."""
    found = {}
    for row in ADJUSTMENTS:
        value = environ.get(row.variable)
        if value is None or row.keyword_only or (not value and row.kind not in EMPTY_MEANS_NONE):
            continue
        found[row.name] = Given(value, "environment", row.variable)
    _warn_of_typos(environ)
    return found


def from_file(path: str | os.PathLike[str]) -> dict[str, Given]:
    """The ``[headwaiter]`` table of a TOML file, or its top level if there is no such table."""
    where = os.fspath(path)
    try:
        with open(path, encoding="utf-8") as file:
            document = _headwaiter.load_toml(file.read())
    except ValueError as error:  # a UnicodeDecodeError is one, too
        raise ValueError(f"{where}: {error}") from None
    values = document.get(TABLE, document)
    if not isinstance(values, dict):
        raise ValueError(f"{where}: {TABLE} must be a table")
    known = [row.name for row in ADJUSTMENTS if not row.keyword_only]
    for name, value in values.items():
        if name not in known:
            hint = did_you_mean(name, known)
            raise ValueError(f"{where}: unknown adjustment {name!r}{hint}")
        _check_type(where, name, value)
    return {name: Given(value, "file", where) for name, value in values.items()}


def _check_type(where: str, name: str, value: Any) -> None:
    """Refuse a TOML value of another type, which is a mistake; casts are as lenient as in
    Waitress."""
    kind = BY_NAME[name].kind
    whole = kind in (INTEGER, THREADS, PROCESSES, BYTES, WHOLE_SECONDS)
    if (whole and isinstance(value, (bool, float))) or (
        kind is SECONDS and isinstance(value, bool)
    ):
        shown = str(value).lower() if isinstance(value, bool) else value
        raise ValueError(f"{where}: {name}: expected {kind.noun}, got {shown}")


def _warn_of_typos(environ: Mapping[str, str]) -> None:
    """Warn of unknown variables whose names are close to a known one. Others may use the prefix,
    too."""
    known = {row.variable for row in ADJUSTMENTS} | {CONFIG_VARIABLE, SLOT_VARIABLE}
    for name in environ:
        if name.startswith(ENVIRONMENT_PREFIX) and name not in known:
            hint = did_you_mean(name, known, cutoff=0.9)
            if hint:
                logs.say(logging.WARNING, f"environment variable {name} has no effect{hint}")

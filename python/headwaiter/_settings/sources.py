"""Where values come from, and which of them wins.

Three layers, the first that names an adjustment wins: arguments (keywords or flags), the
``HEADWAITER_*`` environment variables, the TOML file. ``settings.py`` reads them through
:func:`collect`; nothing is cast here. Rules: every value keeps its origin, so that an error and
``--check-config`` can name it; a value that lost is never looked at, so it can never fail.

The ways to say where to listen exclude each other. Within one layer that is an error
(``_listen.py``); between layers the higher one wins: ``--port`` leaves a ``HEADWAITER_HOST`` in
force, but ``--listen`` silences both.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headwaiter import _headwaiter
from headwaiter._settings.casts import (
    BYTES,
    FIELD_VALUE,
    INTEGER,
    SECONDS,
    THREADS,
    URL_PREFIX,
    WHOLE_SECONDS,
)
from headwaiter._settings.listen import check_exclusive, excluded_by
from headwaiter._settings.table import ADJUSTMENTS, BY_NAME, ENVIRONMENT_PREFIX, did_you_mean

CONFIG_VARIABLE = ENVIRONMENT_PREFIX + "CONFIG"
EMPTY_MEANS_NONE = (FIELD_VALUE, URL_PREFIX)
TABLE = "headwaiter"


@dataclass(frozen=True)
class Given:
    """A value as it was given. ``origin`` is argument, environment or file; ``where`` narrows it
    down to the flag, variable or path, and is empty for a keyword argument."""

    value: Any
    origin: str
    where: str = ""


def collect(
    arguments: Mapping[str, Given], config: str | os.PathLike[str] | None
) -> dict[str, Given]:
    """All values in force that are not defaults.

    ``config`` names the TOML file; ``None`` leaves that to ``HEADWAITER_CONFIG``.

    Raises:
        ValueError: An unknown name, or a file that is not TOML.
        OSError: The file cannot be read.
    """
    path = config or os.environ.get(CONFIG_VARIABLE)
    layers = [arguments, from_environment(os.environ), from_file(path) if path else {}]
    chosen: dict[str, Given] = {}
    for layer in layers:
        check_exclusive(layer)
        silenced = excluded_by(chosen)
        for name, given in layer.items():
            if name not in chosen and name not in silenced:
                chosen[name] = given
    return chosen


def from_keywords(keywords: Mapping[str, Any]) -> dict[str, Given]:
    for name in keywords:
        if name not in BY_NAME:
            raise ValueError(f"unknown adjustment {name!r}{did_you_mean(name, BY_NAME)}")
    return {name: Given(value, "argument") for name, value in keywords.items()}


def from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    """Empty counts as unset, unless empty text means something (``HEADWAITER_IDENT=``)."""
    found = {}
    for row in ADJUSTMENTS:
        value = environ.get(row.variable)
        if value is None or row.keyword_only or (not value and row.kind not in EMPTY_MEANS_NONE):
            continue
        found[row.name] = Given(value, "environment", row.variable)
    _warn_of_slips(environ)
    return found


def from_file(path: str | os.PathLike[str]) -> dict[str, Given]:
    """The ``[headwaiter]`` table of a TOML file, or its top level if there is no such table."""
    where = os.fspath(path)
    try:
        document = _headwaiter.load_toml(Path(path).read_text(encoding="utf-8"))
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
    """TOML has types, so a value of another one is a mistake; casts are as lenient as Waitress'."""
    kind = BY_NAME[name].kind
    whole = kind in (INTEGER, THREADS, BYTES, WHOLE_SECONDS)
    if (whole and isinstance(value, (bool, float))) or (
        kind is SECONDS and isinstance(value, bool)
    ):
        shown = str(value).lower() if isinstance(value, bool) else value
        raise ValueError(f"{where}: {name}: expected {kind.noun}, got {shown}")


def _warn_of_slips(environ: Mapping[str, str]) -> None:
    """Others may use the prefix, so only a near miss of one of ours is worth a word."""
    known = {row.variable for row in ADJUSTMENTS} | {CONFIG_VARIABLE}
    for name in environ:
        if name.startswith(ENVIRONMENT_PREFIX) and name not in known:
            hint = did_you_mean(name, known, cutoff=0.9)
            if hint:
                logging.getLogger("headwaiter").warning(
                    "environment variable %s has no effect%s", name, hint
                )

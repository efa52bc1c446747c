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

import os
import sys
from collections.abc import Mapping
from typing import Any

from headwaiter._process import console
from headwaiter._settings.listen import check_exclusive, excluded_by
from headwaiter._settings.suggestions import other_name
from headwaiter._settings.table import BY_NAME
from headwaiter._settings.variables import Given, from_environment

PLAIN = "%(s)s %(r)s %(M)s ms"
COLORED = "%(colored)s %(r)s %(M)s ms"
"""Formats of the access log for ``dev``."""


def collect(arguments: Mapping[str, Given], file: Mapping[str, Given]) -> dict[str, Given]:
    """The values that win, by adjustment; defaults are not among them.

    Raises:
        ValueError: Names exclude each other.
    """
    chosen: dict[str, Given] = {}
    for layer in (arguments, from_environment(os.environ), file):
        check_exclusive({name: _called(name, given) for name, given in layer.items()})
        ignored = excluded_by(chosen)
        for name, given in layer.items():
            if name not in chosen and name not in ignored:
                chosen[name] = given
    return chosen


def _called(name: str, given: Given) -> str:
    """What a person has written: the flag, the variable, or the name."""
    if given.origin == "file":
        return f"{name} (in {given.where})"
    return given.where or name


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
    """
    Raises:
        ValueError: A name is unknown.
    """
    for name in keywords:
        if name not in BY_NAME:
            raise ValueError(f"unknown adjustment {name!r}{other_name(name, BY_NAME)}")
    return {name: Given(value, "argument") for name, value in keywords.items()}

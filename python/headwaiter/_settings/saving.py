"""The settings in force as a configuration file: what ``--print-config`` shows.

Rules: the text is TOML that means the same when it is saved as ``headwaiter.toml``; a setting that
has the value of its default is left out; each line ends with where its value comes from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from headwaiter._settings import casts as kinds
from headwaiter._settings.flags import MANY
from headwaiter._settings.table import BY_NAME, Adjustment
from headwaiter._settings.variables import Given

_WIDEST = 40
"""Columns of the assignments, so that the origins stand below each other."""

HEAD = """\
# The settings that differ from the defaults. To keep them, save this text as headwaiter.toml,
# or in pyproject.toml below [tool.headwaiter].
"""


def text(
    given: Mapping[str, Given], implied: Mapping[str, Any], beginning: Mapping[str, Given]
) -> str:
    """The file, from the adjustments that were given, those that ``dev`` has set, and what was
    said besides adjustments."""
    lines = [(_assigned(name, item), _origin(item)) for name, item in beginning.items()]
    for name, item in given.items():
        row = BY_NAME[name]
        if not row.keyword_only and row.cast(item.value) != row.default:
            lines.append((f"{name} = {_value(row, row.cast(item.value))}", _origin(item)))
    for name, value in implied.items():
        lines.append((f"# {name} = {_value(BY_NAME[name], value)}", "dev"))
    if not lines:
        return f"{HEAD}\n# There is none.\n"
    width = min(max(len(line) for line, _ in lines), _WIDEST)
    return f"{HEAD}\n" + "".join(f"{line:<{width}}  # {origin}\n" for line, origin in lines)


def _origin(given: Given) -> str:
    return given.where or given.origin


def _assigned(name: str, given: Given) -> str:
    value = given.value
    if name == "env":
        value = dict(item.split("=", 1) for item in value)
    return f"{name} = {_toml(value)}"


def _value(row: Adjustment, value: Any) -> str:
    """``value`` of ``row`` as TOML: what has a unit, and what is written as text elsewhere, is text
    here."""
    if isinstance(value, (bool, dict)) or row.kind in MANY:
        return _toml(value)
    shown = row.shown(value) if value is not None else ""
    is_number = isinstance(value, (int, float)) and row.kind is not kinds.OCTAL
    return shown if is_number and not shown[-1:].isalpha() else _toml(shown)


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        inside = ", ".join(f"{_key(str(name))} = {_toml(value[name])}" for name in value)
        return f"{{ {inside} }}"
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    # A basic string is that of JSON but for one character, which JSON leaves alone.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else _toml(name)

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

_WITH_UNIT = (kinds.BYTES, kinds.SECONDS, kinds.WHOLE_SECONDS)
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
        pairs = dict(item.split("=", 1) for item in value)
        inside = ", ".join(f"{_key(key)} = {_string(pairs[key])}" for key in pairs)
        return f"env = {{ {inside} }}"
    if isinstance(value, list):
        return f"{name} = {_list(value)}"
    return f"{name} = {_string(value)}"


def _value(row: Adjustment, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if row.kind in MANY:
        return _list(value)
    shown = row.shown(value) if value is not None else ""
    is_number = isinstance(value, (int, float)) and row.kind is not kinds.OCTAL
    return shown if is_number and not shown[-1:].isalpha() else _string(shown)


def _list(values: list[str]) -> str:
    return f"[{', '.join(map(_string, values))}]"


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else _string(name)


def _string(value: str) -> str:
    """A basic string of TOML. It is that of JSON but for one character, which JSON leaves alone."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

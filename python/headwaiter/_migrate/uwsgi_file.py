"""Reads uWSGI's ``.ini`` and ``.json`` files: their options, with placeholders filled in.

Rules: a name that is no option is a placeholder, as for uWSGI. What stands between conditions or in
loops, and what only the start can tell, is :class:`Unread`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator

from headwaiter._migrate.rows import Given, Option, Server, Shell, Unread, by_name

SECTION = "uwsgi"
_OPENS = re.compile(r"(?:if|for)(?:$|-?[a-z].*)")
_CLOSES = re.compile(r"end-?(?:if|for)$")
_NAMED = re.compile(r"%\((\w[\w-]*)\)")
_VARIABLE = re.compile(r"\$\((\w+)\)")
_SET = ("set", "set-ph", "set-placeholder")
CORES = "%k"


def read(path: str, text: str, server: Server) -> list[Given]:
    """
    Raises:
        ValueError: The file has no part for uWSGI, or is not in its format.
    """
    if path.endswith((".json", ".js")):
        pairs = _json_pairs(path, text)
    else:
        pairs = list(ini_pairs(text, SECTION))
    if not pairs:
        raise ValueError(f"{path}: no section [{SECTION}]")
    return list(_options(path, pairs, server))


def ini_pairs(text: str, wanted: str) -> Iterator[tuple[str, str]]:
    """The keys and values of a section, in their order; keys may repeat."""
    section = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
        elif section == wanted and line and line[0] not in ";#":
            key, _, value = line.partition("=")
            yield key.strip(), value.strip()


def _json_pairs(path: str, text: str) -> list[tuple[str, str]]:
    try:
        document = json.loads(text)
        items = document[SECTION].items()
    except (ValueError, LookupError, AttributeError, TypeError):
        raise ValueError(f'{path}: expected JSON with an object "{SECTION}"') from None
    pairs = []
    for key, value in items:
        for one in value if isinstance(value, list) else [value]:
            text = str(one).lower() if isinstance(one, bool) else str(one)
            pairs += [(key, text)]
    return pairs


def _options(path: str, pairs: Iterable[tuple[str, str]], server: Server) -> Iterator[Given]:
    rows = by_name(server.options)
    values = dict(_magic(path))
    inside = 0
    for key, raw in pairs:
        if _CLOSES.match(key):
            inside = max(0, inside - 1)
            continue
        is_logic = bool(_OPENS.fullmatch(key)) and key not in ("force-gateway", "forkbomb-delay")
        inside += is_logic
        if key in _SET and "=" in raw:
            name, _, raw_value = raw.partition("=")
            values[name.strip()] = _filled(raw_value, values)
            continue
        value = _filled(raw, values)
        values[key] = value
        row = rows.get(key)
        if row is None or is_logic:
            continue
        shown = f"{key} = {raw}" if raw else key
        if inside:
            yield Given(row, Unread("it stands under a condition or in a loop"), shown)
        elif f"--{key}" in server.switches:
            yield Given(row, value.lower() not in ("false", "0"), shown)
        else:
            yield _given(row, value, shown, CORES in raw)


def _given(row: Option, value: str, shown: str, is_by_cores: bool) -> Given:
    if _VARIABLE.search(value):
        return Given(row, Shell(_VARIABLE.sub(r"${\1}", value)), shown)
    return Given(row, value, shown, is_by_cores)


def _filled(raw: str, values: dict[str, str]) -> str:
    """``raw`` with placeholders filled in; names that are not known stay, as for uWSGI."""
    filled = _NAMED.sub(lambda found: values.get(found[1], found[0]), raw)
    return re.sub(r"%([a-zA-Z0-9])", lambda found: values.get(found[0], found[0]), filled)


def _magic(path: str) -> Iterator[tuple[str, str]]:
    full = os.path.abspath(path)
    folder, name = os.path.split(full)
    stem, extension = os.path.splitext(name)
    values = {
        "p": full,
        "s": name,
        "d": folder + "/",
        "n": stem,
        "e": extension.lstrip("."),
        "c": os.path.basename(folder),
        "o": path,
        "v": os.getcwd(),
        "x": SECTION,
        "k": str(os.cpu_count() or 1),
    }
    for letter, value in values.items():
        yield f"%{letter}", value
        if letter in "psdneco":
            yield f"%{letter.upper()}", value

"""Times and sizes with a unit, such as ``500ms``, ``5m``, ``10MB`` and ``64KiB``.

``casts.py`` reads them, the table shows them. Rules: what is shown reads back as the same value;
``kB`` is 1000 bytes and ``KiB`` is 1024; a bare ``K`` or ``M`` is refused, since programs disagree
about it.
"""

from __future__ import annotations

import re

TIMES = "units are ms, s, m, h and d"
SIZES = "units are kB, MB, GB (powers of 1000) and KiB, MiB, GiB (powers of 1024)"
"""For the end of an error message."""

_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_BYTES = {
    "TiB": 1 << 40,
    "TB": 10**12,
    "GiB": 1 << 30,
    "GB": 10**9,
    "MiB": 1 << 20,
    "MB": 10**6,
    "KiB": 1 << 10,
    "kB": 1000,
    "B": 1,
}
_BY_LOWER = {unit.lower(): factor for unit, factor in _BYTES.items()}
_MOST_SHOWN = 9999
"""A larger number is shown without a unit: 1028589KiB says less than its digits."""

_TIME = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)\s*")
_SIZE = re.compile(r"\s*([0-9]+(?:_[0-9]+)*)(?:\.([0-9]+))?\s*([A-Za-z]+)\s*")


def seconds(text: str) -> float:
    """The seconds of a number with a unit of time.

    Raises:
        ValueError: ``text`` is something else.
    """
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(text)
    number, unit = float(found[1]), found[2]
    return number / 1000 if unit == "ms" else number * _SECONDS[unit]


def size(text: str) -> int:
    """The bytes of a number with a unit of size, which may be in lower case.

    Raises:
        ValueError: ``text`` is something else, or no whole number of bytes.
    """
    found = _SIZE.fullmatch(text)
    factor = _BY_LOWER.get(found[3].lower()) if found else None
    if not found or factor is None:
        raise ValueError(text)
    digits = found[2] or ""
    scale: int = 10 ** len(digits)
    whole, rest = divmod(int(found[1] + digits) * factor, scale)
    if rest:
        raise ValueError(text)
    return whole


def shown_seconds(value: float) -> str:
    """``value`` with the largest unit that leaves a whole number."""
    if value == 0:
        return "0"
    for unit, factor in _SECONDS.items():
        if value % factor == 0:
            return f"{value / factor:.0f}{unit}"
    milliseconds = round(value * 1000)
    if milliseconds / 1000 == value:
        return f"{milliseconds}ms" if value < 1 else f"{value!r}s"
    return repr(value)


def shown_size(value: int) -> str:
    """``value`` with the largest unit that leaves a whole number, if that is short."""
    for unit, factor in _BYTES.items():
        if value >= factor > 1 and value % factor == 0 and value // factor <= _MOST_SHOWN:
            return f"{value // factor}{unit}"
    return str(value)

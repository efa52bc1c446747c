"""Casts: which values an adjustment accepts, and what each value becomes.

The adjustments table names one :class:`Kind` per row. Values come from Python calls, flags,
environment variables, TOML and PasteDeploy files. So every kind takes text as well as its natural
type, as Waitress does. Rules: a cast raises ``ValueError`` for a wrong value and ``TypeError`` for
a wrong type; ``Adjustment.cast`` makes the message. ``_settings/adjustments.py`` checks what
depends on other adjustments.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
import socket
from collections.abc import Iterable, Mapping
from typing import Any, Callable, NamedTuple

from headwaiter._settings import units

TRUE_WORDS = frozenset({"t", "true", "y", "yes", "on", "1"})
MOST_THREADS = 65535
MOST_PROCESSES = 63  # a slot more is needed for a replacement
AUTO_THREADS = "4-64"
LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
FALSE_WORDS = frozenset({"", "f", "false", "n", "no", "off", "0", "none"})


class Kind(NamedTuple):
    """A kind of value, and how to cast it.

    ``annotation`` is the type of a keyword argument of this kind; a test compares it with
    ``_settings/types.py``. ``noun`` is its name in error messages and on the reference page;
    ``hint`` ends the message about a text. ``shown`` writes a value as a user does.
    """

    noun: str
    metavar: str
    annotation: str
    cast: Callable[[Any], Any]
    hint: str = ""
    shown: Callable[[Any], str] = str


def boolean(value: Any) -> bool:
    """Every word that does not mean true is false, as in Waitress."""
    return str(value).strip().lower() in TRUE_WORDS


def is_unclear_boolean(value: Any) -> bool:
    """Whether the word for a boolean means neither true nor false, and so is probably a typo."""
    return str(value).strip().lower() not in TRUE_WORDS | FALSE_WORDS


def integer(value: Any) -> int:
    try:
        return int(value)
    except OverflowError:  # int(float("inf"))
        raise ValueError("not a finite number") from None


def threads(value: Any) -> int | str:
    """A number, or bounds between which the server chooses, such as ``4-64``; ``auto`` is
    ``4-64``."""
    if not isinstance(value, str):
        return integer(value)
    least, dash, most = value.strip().lower().partition("-")
    if least == "auto" and not dash:
        return AUTO_THREADS
    if not dash or not least:
        return integer(value)
    bounds = integer(least), integer(most)
    if not 1 <= bounds[0] <= bounds[1] <= MOST_THREADS:
        raise ValueError(value)
    return f"{bounds[0]}-{bounds[1]}" if bounds[0] < bounds[1] else bounds[0]


def thread_bounds(value: int | str) -> tuple[int, int]:
    """The least and the most threads, from a result of :func:`threads`."""
    if isinstance(value, int):
        return value, value
    least, _, most = value.partition("-")
    return int(least), int(most)


def processes(value: Any) -> int | str:
    """A number, or ``auto``."""
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    return integer(value)


def size(value: Any) -> int:
    """Bytes, as a number or with a unit."""
    try:
        return integer(value)
    except ValueError:
        if not isinstance(value, str):
            raise
    return units.size(value)


def duration(value: Any) -> float:
    """Seconds, as a number or with a unit."""
    try:
        seconds = float(value)
    except ValueError:
        if not isinstance(value, str):
            raise
        return units.seconds(value)
    if not math.isfinite(seconds):
        raise ValueError("not a finite number")
    return seconds


def whole_seconds(value: Any) -> int:
    try:
        return integer(value)
    except ValueError:
        if not isinstance(value, str):
            raise
    seconds = units.seconds(value)
    if seconds % 1:
        raise ValueError(value)
    return int(seconds)


def octal(value: Any) -> int:
    """Takes strings only: the integer ``600`` in Python or TOML would be other permissions."""
    return int(value, 8)


def text(value: Any) -> str:
    if value is None:
        raise TypeError("None is not text")
    return str(value)


def field_value(value: Any) -> str | None:
    """Text that a response header can carry unchanged (RFC 9110 section 5.5)."""
    shown = str(value) if value else ""
    if not all(" " <= char <= "~" or "\xa0" <= char <= "\xff" for char in shown):
        raise ValueError(shown)
    return shown or None


def host_name(value: Any) -> str:
    name = text(value)
    if not name.isprintable() or " " in name:
        raise ValueError(name)
    return name


def scheme(value: Any) -> str:
    name = text(value)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+.-]*", name):
        raise ValueError(name)
    return name


def path_or_none(value: Any) -> str | None:
    return os.fsdecode(value) if value else None


def admin_or_none(value: Any) -> str | None:
    """``unix:PATH`` becomes a path with a slash, which is a Unix socket without the word."""
    where = path_or_none(value)
    if where is None or not where.startswith("unix:"):
        return where
    path = where[len("unix:") :]
    if not path:
        raise ValueError(where)
    return path if "/" in path else f"./{path}"


def level_or_none(value: Any) -> str | None:
    """A name of :data:`LEVELS`, or the number that ``logging`` has for it."""
    if value is None or value == "":
        return None
    name = LEVELS.get(value) if isinstance(value, int) else str(value).strip().lower()
    if name not in LEVELS.values():
        raise ValueError(value)
    return name


def log_config(value: Any) -> str | dict[str, Any] | None:
    """A path, or what ``logging.config.dictConfig`` takes."""
    return dict(value) if isinstance(value, Mapping) else path_or_none(value)


def name_or_none(value: Any) -> str | None:
    """The name or the number of a user or of a group."""
    name = str(value).strip() if value is not None else ""
    if not name.isprintable() or ":" in name:
        raise ValueError(name)
    return name or None


def url_path_or_none(value: Any) -> str | None:
    if not value:
        return None
    path = str(value).strip()
    if not path.startswith("/") or not path.isascii() or set(path) & set("?# \t\r\n"):
        raise ValueError(path)
    return path


def url_prefix(value: Any) -> str:
    """``a``, ``/a`` and ``//a/`` all mean ``/a``; the root is the empty prefix."""
    if value is None:
        raise TypeError("None is not text")
    parts = str(value).strip().strip("/")
    return f"/{parts}" if parts else ""


def words(value: str | Iterable[str]) -> list[str]:
    """A string, or an iterable of strings, split at white space."""
    lines = [value] if isinstance(value, str) else list(value)
    return [word for line in lines for word in line.split()]


def lower_words(value: str | Iterable[str]) -> set[str]:
    return {word.lower() for word in words(value)}


def socket_list(value: Iterable[Any]) -> list[socket.socket]:
    sockets = list(value)
    for item in sockets:
        if not isinstance(item, socket.socket):
            raise TypeError(f"{type(item).__name__} is not a socket")
    return sockets


def proxies(value: Any) -> str | None:
    """``*``, ``unix``, addresses and networks: a list, or separated by commas or white space.

    Waitress calls the peer of a Unix socket ``localhost``, so that means ``unix`` here.
    """
    names = words(value if isinstance(value, (list, tuple)) else str(value or ""))
    names = [name for listed in names for name in listed.split(",") if name]
    peers = ["unix" if name == "localhost" else name for name in names]
    for peer in peers:
        if peer not in ("*", "unix"):
            ipaddress.ip_network(peer, strict=False)  # its ValueError quotes the peer
    if "*" in peers and len(peers) > 1:
        raise ValueError("'*' already trusts every peer")
    return ",".join(peers) or None


def one_of(*choices: str) -> Kind:
    def cast(value: Any) -> str:
        if value not in choices:
            raise ValueError(value)
        return str(value)

    quoted = ", ".join(f'"{choice}"' for choice in choices)
    return Kind(f"one of {', '.join(choices)}", "|".join(choices), f"Literal[{quoted}]", cast)


BOOLEAN = Kind("a boolean", "", "bool | str", boolean)
INTEGER = Kind("a whole number", "N", "int | str", integer)
THREADS = Kind("a whole number, bounds such as 4-64, or auto", "N", "int | str", threads)
PROCESSES = Kind("a whole number or auto", "N", "int | str", processes)
BYTES = Kind("a whole number of bytes", "BYTES", "int | str", size, units.SIZES, units.shown_size)
SECONDS = Kind(
    *("a number of seconds", "SECONDS", "float | str", duration),
    *(units.TIMES, units.shown_seconds),
)
WHOLE_SECONDS = Kind(
    *("a whole number of seconds", "SECONDS", "int | str", whole_seconds),
    *(units.TIMES, units.shown_seconds),
)
OCTAL = Kind("octal digits as a string", "PERMS", "str", octal, shown="{:o}".format)
TEXT = Kind("text", "TEXT", "str", text)
FIELD_VALUE = Kind("one line of Latin-1 text", "TEXT", "str | None", field_value)
HOST_NAME = Kind("a name without white space", "NAME", "str", host_name)
SCHEME = Kind("a URL scheme", "SCHEME", "str", scheme)
OPTIONAL_PATH = Kind("a path", "PATH", "str | os.PathLike[str] | None", path_or_none)
USER = Kind("the name or number of a user", "USER", "str | int | None", name_or_none)
GROUP = Kind("the name or number of a group", "GROUP", "str | int | None", name_or_none)
ACCESS_LOG = Kind("a path, '-' or 'logger'", "PATH", "str | os.PathLike[str] | None", path_or_none)
ADMIN = Kind("an address or a path", "ADDRESS", "str | os.PathLike[str] | None", admin_or_none)
LEVEL = Kind(f"one of {', '.join(LEVELS.values())}", "LEVEL", "int | str | None", level_or_none)
LOG_CONFIG = Kind(
    "a path, or a dict as for dictConfig",
    "PATH",
    "str | os.PathLike[str] | Mapping[str, Any] | None",
    log_config,
)
URL_PATH = Kind(
    "a path that starts with '/' and has no query", "PATH", "str | None", url_path_or_none
)
URL_PREFIX = Kind("a path of a URL", "PATH", "str", url_prefix)
LISTEN = Kind("addresses", "ADDRESS", "str | Iterable[str]", words)
PATTERNS = Kind("patterns of file names", "PATTERN", "str | Iterable[str]", words)
WORDS = Kind("words", "WORDS", "str | Iterable[str]", lower_words)
PROXIES = Kind("'*', 'unix', addresses or networks", "PEERS", "str | Iterable[str] | None", proxies)
SOCKETS = Kind("a list of bound stream sockets", "", "Iterable[socket.socket]", socket_list)
ABANDONED = one_of("drop-safe", "drop", "run")

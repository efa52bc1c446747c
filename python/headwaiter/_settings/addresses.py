"""The forms of an address: what a person writes, and what it stands for.

``listen.py`` finds the sockets' addresses for what :func:`parse` returns. Rules: every form that
Waitress takes keeps its meaning, except that a bare number is a port and not a host; a mistake that
is easy to make gets a message that says what to write.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Union

DEFAULT_PORT = 8080
UNIX = "unix:"
DESCRIPTOR = "fd://"


class Tcp(NamedTuple):
    """A host, which is empty if only the port was given, and a port or the name of a service."""

    host: str
    port: str


class Unix(NamedTuple):
    """The path of a Unix socket."""

    path: str


class Descriptor(NamedTuple):
    """The number of a descriptor that this process has inherited: a bound socket."""

    number: int


Address = Union[Tcp, Unix, Descriptor]


def parse(item: str) -> Address:
    """``8000``, ``:8000``, ``HOST``, ``HOST:PORT``, ``[::1]:8000``, ``unix:PATH`` or ``fd://3``.

    A host without a port gets the default port.

    Raises:
        ValueError: ``item`` has another form; the message says why.
    """
    if item.startswith(UNIX):
        path = item[len(UNIX) :]
        # unix:///run/x is a usual way to write /run/x.
        path = path[2:] if path.startswith("///") else path
        if not path:
            raise ValueError("the path is missing; write unix:/run/site.sock")
        return Unix(path)
    if item.startswith(DESCRIPTOR):
        number = item[len(DESCRIPTOR) :]
        if not re.fullmatch("[0-9]{1,9}", number):
            raise ValueError("the number of the descriptor is missing; write fd://3")
        return Descriptor(int(number))
    if "://" in item:
        rest = item.partition("://")[2].rstrip("/") or "HOST:PORT"
        raise ValueError(f"this is a URL; write {rest}")
    if "/" in item:
        raise ValueError(f"this is a path; write unix:{item}")
    if item.isascii() and item.isdigit():
        return Tcp("", item)
    host, colon, port = item.rpartition(":")
    if not colon or "]" in port:  # no port, or the last colon is inside an IPv6 address
        host, port = item, str(DEFAULT_PORT)
    elif not host and not port:
        raise ValueError("the port is missing")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return Tcp(host, port)


def looks_like_address(word: str) -> bool:
    """Whether ``word``, given as the name of an application, is meant as an address."""
    if word.startswith((UNIX, DESCRIPTOR)):
        return True
    return re.fullmatch(r"(?:(?:\[.*\]|[\w.*-]*):)?[0-9]+", word, re.ASCII) is not None

"""Sockets that this process has inherited as descriptors: ``fd://3``.

Whoever starts a server asks here before it binds, and closes the descriptors after: the extension
has duplicates then. Nobody else may: in a child of the server, and while a parent reads its
settings anew, the same numbers belong to other things.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Iterator
from typing import Any

from headwaiter._settings.listen import admin_sockets, check_sockets


def check(name: str, listeners: Iterable[tuple[Any, ...]]) -> None:
    """Check that each descriptor among these addresses for the extension is a stream socket.
    ``name`` is that of the adjustment.

    Raises:
        ValueError: One is not.
    """
    for number in _numbers(listeners):
        with _opened(name, number) as sock:
            check_sockets([sock], f"{name}: fd://{number}")


def check_admin(listeners: Iterable[tuple[Any, ...]], *, public: bool) -> None:
    """:func:`check`, and that no other machine reaches it unless it is ``public``."""
    check("admin", listeners)
    for number in _numbers(listeners):
        with _opened("admin", number) as sock:
            admin_sockets([sock], public=public)


def close(listeners: Iterable[tuple[Any, ...]]) -> None:
    """Close the descriptors among these addresses. The standard streams stay open: what is opened
    next would get their numbers."""
    for number in filter(lambda number: number > 2, _numbers(listeners)):
        with contextlib.suppress(OSError):
            os.close(number)


def _numbers(listeners: Iterable[tuple[Any, ...]]) -> Iterator[int]:
    return (rest[0] for kind, *rest in listeners if kind == "fd")


def _opened(name: str, number: int) -> socket.socket:
    """A socket object of its own for the descriptor."""
    where = f"{name}: fd://{number}"
    try:
        duplicate = os.dup(number)
    except OSError as error:
        text = f"{where}: {error.strerror}; who starts the server has to pass a bound socket"
        raise ValueError(text) from None
    try:
        return socket.socket(fileno=duplicate)
    except OSError as error:
        os.close(duplicate)
        raise ValueError(f"{where}: {error.strerror}") from None

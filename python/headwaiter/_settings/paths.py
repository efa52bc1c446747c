"""Paths among the settings, which hold from the start on.

The server uses them again while it runs: it makes temporary files, reopens its log and removes its
socket. An application that calls ``os.chdir`` meanwhile must not move them, so ``settings.py``
makes each one absolute before the application is loaded.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from headwaiter._settings import casts as kinds
from headwaiter._settings.table import Adjustment

# What an address of a Unix socket holds, its final zero left out (unix(7)).
LONGEST_ADDRESS = 107 if sys.platform == "linux" else 103


def fixed(row: Adjustment, value: Any) -> Any:
    """``value`` of ``row``, absolute if it is a path.

    Raises:
        ValueError: It is relative, and the current directory is gone.
    """
    if not _is_path(row, value):
        return value
    try:
        path = absolute(value)
    except OSError as error:
        raise ValueError(
            f"{row.name}: {value!r} is relative, and the current directory is not there: "
            f"{error.strerror}"
        ) from None
    # The address of a socket deep in a tree may fit only as it was given.
    too_long = row.name in ("unix_socket", "admin") and len(os.fsencode(path)) > LONGEST_ADDRESS
    return value if too_long else path


def absolute(path: str) -> str:
    """``path`` from the root on; ``..`` stays, since what it means may depend on links."""
    return path if os.path.isabs(path) else os.path.join(os.getcwd(), path)


def _is_path(row: Adjustment, value: Any) -> bool:
    if not value:
        return False
    if row.kind is kinds.ACCESS_LOG:
        return value not in ("-", "logger")
    if row.kind is kinds.ADMIN:
        return "/" in value
    return row.kind is kinds.OPTIONAL_PATH

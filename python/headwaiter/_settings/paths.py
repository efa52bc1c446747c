"""Makes the paths among the settings absolute.

The server uses these paths while it runs: it makes temporary files, reopens its log and removes its
socket. An application may call ``os.chdir`` meanwhile. So ``adjustments.py`` makes each path
absolute before the application is loaded.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from headwaiter._settings import casts as kinds
from headwaiter._settings.addresses import DESCRIPTOR
from headwaiter._settings.table import Adjustment

# Bytes of a path in the address of a Unix socket, without the final zero (unix(7)).
LONGEST_ADDRESS = 107 if sys.platform == "linux" else 103


def made_absolute(row: Adjustment, value: Any) -> Any:
    """``value`` of ``row``, made absolute if it is a path.

    Raises:
        ValueError: The path is relative, and the current directory is gone.
    """
    if not _is_path(row, value):
        return value
    if row.name in ("unix_socket", "admin", "control"):
        return of_socket(row.name, value)
    return _absolute(row.name, value)


def of_socket(name: str, path: str) -> str:
    """The absolute ``path`` of a Unix socket, unless its address would become too long.

    Raises:
        ValueError: As for :func:`made_absolute`; the message begins with ``name``.
    """
    whole = _absolute(name, path)
    return path if len(os.fsencode(whole)) > LONGEST_ADDRESS else whole


def _absolute(name: str, path: str) -> str:
    try:
        return absolute(path)
    except OSError as error:
        raise ValueError(
            f"{name}: {path!r} is relative, and the current directory is not there: "
            f"{error.strerror}"
        ) from None


def absolute(path: str) -> str:
    """``path`` from the root on. ``..`` stays, since its meaning may depend on symbolic links."""
    return path if os.path.isabs(path) else os.path.join(os.getcwd(), path)


def _is_path(row: Adjustment, value: Any) -> bool:
    if not value:
        return False
    if row.kind is kinds.ACCESS_LOG:
        return value not in ("-", "logger")
    if row.kind is kinds.ADMIN:
        return "/" in value and not value.startswith(DESCRIPTOR)
    if row.kind is kinds.LOG_CONFIG:
        return isinstance(value, str)
    return row.kind is kinds.OPTIONAL_PATH

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
    try:
        path = absolute(value)
    except OSError as error:
        raise ValueError(
            f"{row.name}: {value!r} is relative, and the current directory is not there: "
            f"{error.strerror}"
        ) from None
    # The address of a Unix socket may be too long as an absolute path.
    too_long = (
        row.name in ("unix_socket", "admin", "control") and len(os.fsencode(path)) > LONGEST_ADDRESS
    )
    return value if too_long else path


def absolute(path: str) -> str:
    """``path`` from the root on. ``..`` stays, since its meaning may depend on symbolic links."""
    return path if os.path.isabs(path) else os.path.join(os.getcwd(), path)


def _is_path(row: Adjustment, value: Any) -> bool:
    if not value:
        return False
    if row.kind is kinds.ACCESS_LOG:
        return value not in ("-", "logger")
    if row.kind is kinds.ADMIN:
        return "/" in value
    if row.kind is kinds.LOG_CONFIG:
        return isinstance(value, str)
    return row.kind is kinds.OPTIONAL_PATH

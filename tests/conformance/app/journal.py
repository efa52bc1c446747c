"""What the application did, one JSON line per event, in a file only ever appended to.

A file rather than a reply: it is there when every worker is stuck, when the worker has crashed, and
when the reply never left. One ``write`` per event on an ``O_APPEND`` descriptor keeps lines whole
whichever thread or process writes them.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("CONFORMANCE_FOLDER", os.devnull))
TAG = re.compile(r"tag\d{6}x")

_file = -1


def note(tag: str, what: str, **more: Any) -> None:
    """Appends one event under ``tag``."""
    global _file
    if _file < 0:
        # Opened late: gunicorn and granian import the application in a process they fork.
        _file = os.open(FOLDER / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    event = {"tag": tag, "what": what, "thread": threading.get_ident(), **more}
    os.write(_file, json.dumps(event).encode("ascii") + b"\n")


def tags_in(environ: dict[str, Any]) -> set[str]:
    """Every tag the request carries, in its target or in any header."""
    found: set[str] = set()
    for key, value in environ.items():
        if isinstance(value, str) and (
            key in ("PATH_INFO", "QUERY_STRING", "REQUEST_URI", "RAW_URI")
            or key.startswith("HTTP_")
        ):
            found.update(TAG.findall(value))
    return found


def wait_released(tag: str, seconds: float) -> bool:
    """Waits until the suite has released ``tag``; false if it did not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (FOLDER / tag).exists():
            return True
        time.sleep(0.005)
    return False

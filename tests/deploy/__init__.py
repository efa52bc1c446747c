"""``examples/deploy``: each file held against the tool that reads it, and used as it is."""

from __future__ import annotations

import os
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[2] / "examples" / "deploy"

# Addresses of 127.0.0.0/8 that only this process uses, with ports that no client is given: servers
# can be stopped and come back to the same address, however many tests run at once.
HOST = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
FRONT = (HOST, 8080)
WEB1 = (HOST, 8001)
WEB2 = (HOST, 8002)


def changed(name: str, changes: dict[str, str]) -> str:
    """The text of a file of ``examples/deploy`` with each key, which is there once, replaced."""
    text = (DEPLOY / name).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert text.count(old) == 1, f"{old!r} is in {name} {text.count(old)} times"
        text = text.replace(old, new)
    return text

"""``examples/deploy``: each file held against the tool that reads it, and used as it is."""

from __future__ import annotations

import os
import socket
import sys
from itertools import islice
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[2] / "examples" / "deploy"

# Addresses of 127.0.0.0/8 that only this process uses, with ports that no client is given: servers
# can be stopped and come back to the same address, however many tests run at once.
HOST = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
NOT_OF_CLIENTS = range(8001, 32768)


def _is_free(port: int) -> bool:
    """Whether no server on this machine has ``port`` of every address."""
    with socket.socket() as sock:
        try:
            sock.bind((HOST, port))
        except OSError:
            return False
    return True


# Only Linux has all of 127.0.0.0/8; elsewhere the tests that use these addresses are skipped.
_PORTS = filter(_is_free, NOT_OF_CLIENTS) if sys.platform == "linux" else NOT_OF_CLIENTS
FRONT, WEB1, WEB2 = ((HOST, port) for port in islice(_PORTS, 3))


def changed(name: str, changes: dict[str, str]) -> str:
    """The text of a file of ``examples/deploy`` with each key, which is there once, replaced."""
    text = (DEPLOY / name).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert text.count(old) == 1, f"{old!r} is in {name} {text.count(old)} times"
        text = text.replace(old, new)
    return text

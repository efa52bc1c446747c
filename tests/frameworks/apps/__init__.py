"""The same small application in each framework.

Every one answers ``/`` with text, echoes the form field ``name`` at ``POST /form``, tells length
and digest of the uploaded file ``file`` at ``POST /upload``, streams ten lines at ``/stream``,
sends the file named by ``FRAMEWORK_FILE`` at ``/file`` through the framework's own means, and
raises at ``/error``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

GREETING = "h\u00e9llo"


def told(data: bytes) -> str:
    """What ``/upload`` answers."""
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}"


def lines() -> Iterator[bytes]:
    for number in range(10):
        yield b"line %d\n" % number


def path() -> str:
    return os.environ["FRAMEWORK_FILE"]


class Raised(Exception):
    """What ``/error`` raises."""

"""What one version of headwaiter tells the next: a JSON object in memory, by its descriptor.

``upgrade.py`` writes it, ``resume.py`` reads it. Rules: ``VERSION`` changes with the meaning of
what is written, not with what is added; a reader takes no other version, leaves out what it does
not know, and has a default for what is newer than version 1.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import fields
from typing import Any

VERSION = 1


class StateError(ValueError):
    """The state cannot be read; the message says why."""


def write(state: dict[str, Any]) -> int:
    """A descriptor of the state, which nobody inherits yet."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("headwaiter-state")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(json.dumps({**state, "version": VERSION}).encode())
    return descriptor


def read(descriptor: int) -> dict[str, Any]:
    """The state behind the descriptor, which is closed.

    Raises:
        StateError: It is no state, or has another version.
    """
    try:
        with open(descriptor, "rb") as file:
            file.seek(0)
            state = json.loads(file.read())
    except (OSError, ValueError) as error:
        raise StateError(f"the state of the server cannot be read: {error}") from None
    version = state.get("version") if isinstance(state, dict) else None
    if version != VERSION:
        raise StateError(
            f"the running server has a state of version {version}, and this headwaiter reads "
            f"version {VERSION}: restart the server instead"
        )
    found: dict[str, Any] = state
    return found


def known(kind: type, written: dict[str, Any]) -> dict[str, Any]:
    """What the dataclass ``kind`` has of the fields that were written."""
    return {field.name: written[field.name] for field in fields(kind) if field.name in written}

"""How long garbage collections stop the application (``gc_pauses``)."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Callable


@contextmanager
def measured(note: Callable[[float], object]) -> Iterator[None]:
    """Call ``note`` with the seconds of each collection during the block, whoever begins it."""
    began = 0.0

    def collects(phase: str, _info: dict[str, Any]) -> None:
        nonlocal began
        if phase == "start":
            began = time.perf_counter()
        elif began:  # else the block has begun within a collection
            note(time.perf_counter() - began)

    gc.callbacks.append(collects)
    try:
        yield
    finally:
        with suppress(ValueError):  # the application has emptied the list
            gc.callbacks.remove(collects)

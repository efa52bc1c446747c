"""The Python stacks of all threads, as text.

The admin endpoint shows them at ``/stacks``; the thread ``headwaiter-watch`` collects them, so a
stack is that of a moment at which its thread let go of the GIL.
"""

from __future__ import annotations

import sys
import threading
import traceback
from types import FrameType


def collect() -> str:
    """Workers first, each with the frame it is in last."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    own = threading.get_ident()
    frames = [
        (names.get(ident, f"thread {ident}"), frame)
        for ident, frame in sys._current_frames().items()
        if ident != own
    ]
    frames.sort(key=lambda item: (not _is_worker(item[0]), len(item[0]), item[0]))
    return "\n".join(_shown(name, frame) for name, frame in frames)


def _is_worker(name: str) -> bool:
    return name.startswith("headwaiter-") and name[len("headwaiter-") :].isdigit()


def _shown(name: str, frame: FrameType) -> str:
    stack = traceback.format_stack(frame)
    # A worker without a request is in our own two functions and in those of threading only.
    idle = _is_worker(name) and frame.f_code.co_filename.endswith("headwaiter/server.py")
    return f"{name}: idle\n" if idle else f"{name}:\n{''.join(stack)}"

"""The Python stacks of threads, as text.

The admin endpoint shows all of them at ``/stacks``, collected by the thread ``headwaiter-watch``;
``slow_request_log`` writes down one, for the thread ``headwaiter-overseer``. Either way a stack is
that of a moment at which its thread let go of the GIL.
"""

from __future__ import annotations

import os
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


def of_thread(ident: int) -> str:
    """The stack of one thread, from its outermost frame of the application on."""
    frame = sys._current_frames().get(ident)
    if frame is None:
        return "(its thread has ended)\n"
    stack = traceback.extract_stack(frame)
    # Ours and that of threading, from which every worker begins.
    inner = [entry for entry in stack if not _is_beginning(entry)]
    return "".join(traceback.format_list(inner)) or "(not in Python code)\n"


def _is_beginning(entry: traceback.FrameSummary) -> bool:
    return entry.filename in (threading.__file__, _server_file()) and entry.name in (
        *("_bootstrap", "_bootstrap_inner", "run", "_work"),
    )


def _server_file() -> str:
    return os.path.join(os.path.dirname(os.path.dirname(__file__)), "server.py")


def _is_worker(name: str) -> bool:
    return name.startswith("headwaiter-") and name[len("headwaiter-") :].isdigit()


def _shown(name: str, frame: FrameType) -> str:
    stack = traceback.format_stack(frame)
    # A worker without a request is in our own two functions and in those of threading only.
    idle = _is_worker(name) and frame.f_code.co_filename.endswith("headwaiter/server.py")
    return f"{name}: idle\n" if idle else f"{name}:\n{''.join(stack)}"

"""The Python stacks of threads, as text.

The admin endpoint shows all stacks at ``/stacks``; the thread ``headwaiter-watch`` collects them.
``slow_request_log`` logs the stack of one request; the thread ``headwaiter-overseer`` reads it. In
both cases a stack shows where its thread released the GIL.

``worker`` is the code of the function that a worker thread runs: in these stacks the frames from
the application on follow it, and a worker without a request is in that function itself.
"""

from __future__ import annotations

import sys
import threading
import traceback
from types import CodeType, FrameType


def collect(worker: CodeType) -> str:
    """The stacks of all other threads, workers first, each with its innermost frame last."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    own = threading.get_ident()
    frames = [
        (names.get(ident, f"thread {ident}"), frame)
        for ident, frame in sys._current_frames().items()
        if ident != own
    ]
    frames.sort(key=lambda item: (not _is_worker(item[0]), len(item[0]), item[0]))
    return "\n".join(_shown(name, frame, worker) for name, frame in frames)


def of_thread(ident: int, worker: CodeType) -> str:
    """The stack of the thread ``ident``, from the outermost frame of the application on."""
    frame = sys._current_frames().get(ident)
    if frame is None:
        return "(its thread has ended)\n"
    stack = traceback.extract_stack(frame)
    inner = [entry for entry in stack if not _is_beginning(entry, worker)]
    return "".join(traceback.format_list(inner)) or "(not in Python code)\n"


def _is_beginning(entry: traceback.FrameSummary, worker: CodeType) -> bool:
    """Whether ``entry`` is one of the frames that every worker begins with."""
    return (entry.filename, entry.name) == (worker.co_filename, worker.co_name) or (
        entry.filename == threading.__file__ and entry.name in BOOTSTRAP
    )


def _is_worker(name: str) -> bool:
    return name.startswith("headwaiter-") and name[len("headwaiter-") :].isdigit()


def _shown(name: str, frame: FrameType, worker: CodeType) -> str:
    if _is_worker(name) and frame.f_code is worker:
        return f"{name}: idle\n"
    return f"{name}:\n{''.join(traceback.format_stack(frame))}"


BOOTSTRAP = ("_bootstrap", "_bootstrap_inner", "run")
"""The functions of ``threading`` that every thread begins with."""

"""Where threads are, in few words, for the wait profile: the frames of those that run a request.

The thread ``headwaiter-watch`` looks ten times a second while requests run. It holds the GIL
meanwhile, so a look costs some 10 µs per thread: names are made once per line of code.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from types import CodeType, FrameType

Look = tuple[int, str, int, int]
"""A thread, its frames separated by line feeds, which of them is the application's innermost, and a
number that changes when the thread has gone on."""


class Looks:
    """Looks at threads whose stacks begin with ``worker``, the code that every worker runs."""

    def __init__(self, worker: CodeType) -> None:
        self._worker = worker
        self._names: dict[tuple[CodeType, int], str] = {}
        self._own: dict[str, int] = {}

    def __call__(self, threads: list[int]) -> list[Look]:
        frames = sys._current_frames()
        return [self._look(ident, frames[ident]) for ident in threads if ident in frames]

    def _look(self, ident: int, innermost: FrameType) -> Look:
        names: list[str] = []
        own, best = 0, -1
        frame: FrameType | None = innermost
        while frame is not None and frame.f_code is not self._worker and len(names) < DEEPEST:
            code = frame.f_code
            names.append(self._name(frame))
            rank = self._rank(code.co_filename)
            if rank > best:
                own, best = len(names) - 1, rank
            frame = frame.f_back
        names.reverse()
        at = hash((id(innermost), innermost.f_lasti)) & MASK
        return ident, "\n".join(names) or NOWHERE, max(len(names) - 1 - own, 0), at

    def _name(self, frame: FrameType) -> str:
        code = frame.f_code
        key = code, frame.f_lasti
        name = self._names.get(key)
        if name is None:
            if len(self._names) >= MOST:
                self._names.clear()
            function = getattr(code, "co_qualname", code.co_name)
            name = f"{short(code.co_filename)}:{frame.f_lineno} {function}"[:LONGEST].replace("\n", " ")
            self._names[key] = name
        return name

    def _rank(self, filename: str) -> int:
        """2 for the application's own code, 1 for installed packages, 0 for the standard library."""
        rank = self._own.get(filename)
        if rank is None:
            if len(self._own) >= MOST:
                self._own.clear()
            rank = self._own[filename] = _rank(filename)
        return rank


def _rank(filename: str) -> int:
    parts = filename.replace("\\", "/").split("/")
    if "site-packages" in parts or "dist-packages" in parts:
        return 1
    return 0 if filename.startswith(STANDARD) else 2


def short(filename: str) -> str:
    """``filename`` from the folder on ``sys.path`` that it lies in, else its last two parts."""
    folders = [folder for folder in sys.path if folder and filename.startswith(folder + os.sep)]
    if folders:
        return filename[len(max(folders, key=len)) + 1 :]
    return os.sep.join(filename.split(os.sep)[-2:])


STANDARD = ("<", *{sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
"""What files of the standard library begin with; `<frozen ...>` and `<string>` are nobody's."""
DEEPEST = 64
"""Frames of a stack, the innermost ones: a bound for what a look costs."""
LONGEST = 120
"""Characters of a frame's name."""
MOST = 4096
"""Lines whose names are kept."""
NOWHERE = "(not in Python code)"
MASK = (1 << 64) - 1

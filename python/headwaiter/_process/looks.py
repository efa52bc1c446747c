"""Where threads are, in few words, for the wait profile: the frames of those that run a request.

The thread ``headwaiter-watch`` looks ten times a second while requests run. It holds the GIL
meanwhile, so a look costs some 10 µs per thread: names are made once per line of code.
"""

from __future__ import annotations

import dis
import os
import sys
import sysconfig
from types import CodeType, FrameType

Look = tuple[int, str, int, int]
"""A thread, its frames separated by line feeds, which of them is the application's innermost, and a
number that changes when the thread has gone on. The last line is no frame but what the innermost
one calls, if that has a name: ``acquire()``, ``with``."""


class Looks:
    """Looks at threads whose stacks begin with ``worker``, the code that every worker runs."""

    def __init__(self, worker: CodeType) -> None:
        self._worker = worker
        self._names: dict[tuple[CodeType, int], str] = {}
        self._callees: dict[tuple[CodeType, int], str] = {}
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
        own = max(len(names) - 1 - own, 0)
        called = self._callee(innermost) if names else ""
        if called:
            names.append(called)
        at = hash((id(innermost), innermost.f_lasti)) & MASK
        return ident, "\n".join(names) or NOWHERE, own, at

    def _callee(self, innermost: FrameType) -> str:
        """The C function that the line calls, which has no frame."""
        key = innermost.f_code, innermost.f_lasti
        called = self._callees.get(key)
        if called is None:
            if len(self._callees) >= MOST:
                self._callees.clear()
            called = callee(*key)
            if called in SQL and _knows_sqlite(innermost):
                called = f"sqlite3 {called}"
            self._callees[key] = called
        return called

    def _name(self, frame: FrameType) -> str:
        code = frame.f_code
        key = code, frame.f_lasti
        name = self._names.get(key)
        if name is None:
            if len(self._names) >= MOST:
                self._names.clear()
            function = getattr(code, "co_qualname", code.co_name)
            name = f"{short(code.co_filename)}:{frame.f_lineno} {function}"[:LONGEST]
            name = name.replace("\n", " ")
            self._names[key] = name
        return name

    def _rank(self, filename: str) -> int:
        """2 for the application's own code, 1 for installed packages, 0 for Python's."""
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


def callee(code: CodeType, lasti: int) -> str:
    """What the instruction at ``lasti`` calls: ``acquire()``, or ``with`` if it enters a context
    manager. Empty if it calls nothing, or a thing without a name."""
    if len(code.co_code) > LARGEST:
        return ""
    before: list[dis.Instruction] = []
    for instruction in dis.get_instructions(code):
        if instruction.offset >= lasti:
            break
        before.append(instruction)
    else:
        return ""
    name = instruction.opname
    if name in ("BEFORE_WITH", "SETUP_WITH") or (before and before[-1].opname == "LOAD_SPECIAL"):
        return "with"
    if not name.startswith(("CALL", "PRECALL")):
        return ""
    called = _called if sys.version_info >= (3, 11) else _called_by_stack
    found = called(instruction, before)
    return f"{found}()" if found else ""


def _knows_sqlite(frame: FrameType) -> bool:
    """Whether the frame has a cursor or a connection of SQLite, or the module."""
    module = sys.modules.get("sqlite3")
    if module is None or any(value is module for value in frame.f_globals.values()):
        return module is not None
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False  # the thread goes on, and its variables change
    return any(type(value).__module__ == "sqlite3" for value in frame.f_locals.values())


def _called(call: dis.Instruction, before: list[dis.Instruction]) -> str:
    """The name before the brackets: of all that begins where the call begins, the longest."""
    where = getattr(call, "positions", None)
    if where is None or where.lineno is None:
        return ""
    start, end = (where.lineno, where.col_offset), (where.end_lineno, where.end_col_offset)
    name, longest = "", (0, 0)
    for instruction in before:
        at = getattr(instruction, "positions", None)
        if at is None or (at.lineno, at.col_offset) != start:
            continue
        ends = (at.end_lineno or 0, at.end_col_offset or 0)
        if longest <= ends and ends < end and isinstance(instruction.argval, str):
            name, longest = instruction.argval, ends
    return name


def _called_by_stack(call: dis.Instruction, before: list[dis.Instruction]) -> str:
    """Before Python 3.11 instructions have no columns: what the arguments were put on top of."""
    kinds = {"CALL_FUNCTION": 0, "CALL_METHOD": 0, "CALL_FUNCTION_KW": 1}
    above = (call.arg or 0) + kinds[call.opname] if call.opname in kinds else -1
    for instruction in reversed(before):
        if above <= 0:
            return instruction.argval if above == 0 and isinstance(instruction.argval, str) else ""
        above -= dis.stack_effect(instruction.opcode, instruction.arg, jump=False)
    return ""


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
LARGEST = 20_000
"""Bytes of code of a function in which calls are named: a bound for what that costs."""
SQL = ("execute()", "executemany()", "executescript()", "commit()")
NOWHERE = "(not in Python code)"
MASK = (1 << 64) - 1

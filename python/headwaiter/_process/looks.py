"""Where threads are, in few words, for the wait profile: the frames of those that run a request.

The thread ``headwaiter-watch`` looks ten times a second while requests run, and holds the GIL
meanwhile: some microseconds per frame. What a line is called is found once, and what it calls once
per function, in at most one function per look.
"""

from __future__ import annotations

import dis
import os
import sys
import sysconfig
import types
from collections.abc import Iterator, Mapping
from types import CodeType, FrameType
from typing import Optional

from headwaiter._process import routes

Look = tuple[int, str, int, int, Optional[str]]
"""A thread, its frames separated by line feeds, which of them is the application's innermost, a
number that changes when the thread has gone on, and the route of its request if that is known. The
last line is no frame but what the innermost one calls, if that has a name: ``acquire()``,
``with``."""


class Function:
    """What is known of a function. It is kept by its identity: equal code of two files is two
    functions."""

    def __init__(self, code: CodeType) -> None:
        self.code = code  # so that no other code gets its identity
        self.rank = _rank(code.co_filename)
        self.knows_route = routes.paths(code) if routes.can_read_running() else ()
        self.callees: dict[int, str] | None = None
        self._names: dict[int, str] = {}

    def name(self, frame: FrameType, lasti: int) -> str:
        """File, line and name, such as ``shop/views.py:8 orders``."""
        found = self._names.get(lasti)
        if found is None:
            function = getattr(self.code, "co_qualname", self.code.co_name)
            file = short(self.code.co_filename)[-LONGEST:]
            name = f"{file}:{line(frame, self.code, lasti)} {function[-LONGEST:]}"
            found = self._names[lasti] = printable(name)
        return found


class Looks:
    """Looks at threads whose stacks begin with ``worker``, the code that every worker runs."""

    def __init__(self, worker: CodeType) -> None:
        self._worker = worker
        self._functions: dict[int, Function] = {}
        self._may_read = True

    def __call__(
        self, threads: list[int], environs: Mapping[int, object] = types.MappingProxyType({})
    ) -> list[Look]:
        """The looks at ``threads``; ``environs`` has the environs of their requests, if known."""
        self._may_read = True
        frames = sys._current_frames()
        return [
            self._look(ident, frames[ident], environs.get(ident))
            for ident in threads
            if ident in frames
        ]

    def _look(self, ident: int, innermost: FrameType, environ: object) -> Look:
        lasti = innermost.f_lasti
        names: list[str] = []
        own, best = 0, -1
        route = routes.of_environ(environ)
        frame: FrameType | None = innermost
        while frame is not None and frame.f_code is not self._worker and len(names) < DEEPEST:
            function = self._function(frame.f_code)
            names.append(function.name(frame, lasti if frame is innermost else frame.f_lasti))
            if function.rank > best:
                own, best = len(names) - 1, function.rank
            if function.knows_route and route is None:
                route = routes.of_frame(frame, function.knows_route, environ)
            frame = frame.f_back
        route = route or self._route_beyond(frame, environ)
        names.reverse()
        own = max(len(names) - 1 - own, 0)
        called = self._callee(innermost, lasti) if names else ""
        if called:
            names.append(called)
        at = hash((id(innermost), lasti)) & MASK
        return ident, "\n".join(names) or NOWHERE, own, at, route

    def _route_beyond(self, frame: FrameType | None, environ: object) -> str | None:
        """The route from the frames that are too far out to be named."""
        for _ in range(routes.DEEPEST if routes.can_read_running() else 0):
            if frame is None or frame.f_code is self._worker:
                return None
            function = self._function(frame.f_code)
            route = function.knows_route and routes.of_frame(frame, function.knows_route, environ)
            if route:
                return route
            frame = frame.f_back
        return None

    def _function(self, code: CodeType) -> Function:
        function = self._functions.get(id(code))
        if function is None:
            if len(self._functions) >= MOST:
                self._functions.clear()
            function = self._functions[id(code)] = Function(code)
        return function

    def _callee(self, innermost: FrameType, lasti: int) -> str:
        """The C function that the line calls, which has no frame; empty if it is not known yet."""
        function = self._function(innermost.f_code)
        if function.callees is None:
            if not self._may_read:
                return ""
            self._may_read = False
            function.callees = dict(callees(function.code))
        called = function.callees.get(lasti, "")
        return f"sqlite3 {called}" if called in SQL and _knows_sqlite(innermost) else called


def are_safe() -> bool:
    """Whether frames of running threads may be read. Free-threaded Python 3.13 may free them
    meanwhile."""
    return sys.version_info >= (3, 14) or getattr(sys, "_is_gil_enabled", lambda: True)()


def line(frame: FrameType, code: CodeType, lasti: int) -> int:
    """The line of the instruction at ``lasti``; the frame itself may have gone on."""
    if sys.version_info < (3, 10):
        return frame.f_lineno
    lines = (number for start, end, number in code.co_lines() if start <= lasti < end and number)
    return next(lines, code.co_firstlineno)


def printable(text: str) -> str:
    """``text`` with escapes for control characters and what cannot be encoded."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _rank(filename: str) -> int:
    """2 for the application's own code, 1 for installed packages, 0 for Python's."""
    parts = filename.replace("\\", "/").split("/")
    if "site-packages" in parts or "dist-packages" in parts:
        return 1
    return 0 if filename.startswith(STANDARD) else 2


def callees(code: CodeType) -> Iterator[tuple[int, str]]:
    """What the instructions call, by their offsets: ``acquire()``, or ``with`` for one that enters
    a context manager. Calls of things without a name are left out, and so are large functions."""
    if len(code.co_code) > LARGEST:
        return
    called = Calls() if sys.version_info >= (3, 11) else CallsByStack()
    before = ""
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if name in ("BEFORE_WITH", "SETUP_WITH") or before == "LOAD_SPECIAL":
            yield instruction.offset, "with"
        elif name.startswith(("CALL", "PRECALL")):
            found = called.by(instruction)
            if found:
                yield instruction.offset, f"{found}()"
        called.pass_by(instruction)
        before = name


def _knows_sqlite(frame: FrameType) -> bool:
    """Whether the module of the frame knows SQLite, or the frame has a cursor or connection."""
    module = sys.modules.get("sqlite3")
    if module is None:
        return False
    names = list(frame.f_globals.values())  # a copy: another thread may add one meanwhile
    if any(value is module or type(value).__module__ == "sqlite3" for value in names):
        return True
    if sys.version_info < (3, 13) or not getattr(sys, "_is_gil_enabled", lambda: True)():
        # Before, to read them would change what the function has from `locals()`, and how long its
        # objects live. Without the GIL the thread goes on, and its variables change.
        return False
    return any(type(value).__module__ == "sqlite3" for value in list(frame.f_locals.values()))


class Calls:
    """The name before the brackets: of all that begins where the call begins, the longest."""

    def __init__(self) -> None:
        self._begun: dict[tuple[int, int | None], list[tuple[tuple[int, int], str]]] = {}
        """Where names end, by where they begin."""

    def by(self, call: dis.Instruction) -> str:
        where = getattr(call, "positions", None)
        if where is None or where.lineno is None:
            return ""
        end = (where.end_lineno or 0, where.end_col_offset or 0)
        name, longest = "", (0, 0)
        for ends, begun in self._begun.get((where.lineno, where.col_offset), ()):
            if longest <= ends < end:
                name, longest = begun, ends
        return name

    def pass_by(self, instruction: dis.Instruction) -> None:
        at = getattr(instruction, "positions", None)
        if at is not None and at.lineno is not None and isinstance(instruction.argval, str):
            ends = (at.end_lineno or 0, at.end_col_offset or 0)
            self._begun.setdefault((at.lineno, at.col_offset), []).append(
                (ends, instruction.argval)
            )


class CallsByStack:
    """Before Python 3.11 instructions have no columns: what the arguments were put on top of."""

    def __init__(self) -> None:
        self._before: list[dis.Instruction] = []

    def by(self, call: dis.Instruction) -> str:
        kinds = {"CALL_FUNCTION": 0, "CALL_METHOD": 0, "CALL_FUNCTION_KW": 1}
        above = (call.arg or 0) + kinds[call.opname] if call.opname in kinds else -1
        for instruction in reversed(self._before):
            if above <= 0:
                named = above == 0 and isinstance(instruction.argval, str)
                return instruction.argval if named else ""
            above -= dis.stack_effect(instruction.opcode, instruction.arg, jump=False)
        return ""

    def pass_by(self, instruction: dis.Instruction) -> None:
        self._before.append(instruction)


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
LONGEST = 60
"""Characters of a file's and of a function's name: the last ones."""
MOST = 2048
"""Functions that are kept."""
LARGEST = 4000
"""Bytes of code of a function whose calls are named: more would take milliseconds to read."""
SQL = ("execute()", "executemany()", "executescript()", "commit()")
NOWHERE = "(not in Python code)"
MASK = (1 << 64) - 1

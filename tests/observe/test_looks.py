"""The wait profile names the application's line, and the C function that it calls."""

from __future__ import annotations

import queue
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from headwaiter._process.looks import Look, Looks, callees, printable

from ..support.waiting import eventually


class Blocked:
    """What a thread may wait for; ``free`` lets it go on."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lock.acquire()
        self.semaphore = threading.Semaphore(0)
        self.queue: queue.Queue[int] = queue.Queue()
        self.simple: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.ends = socket.socketpair()

    def enter(self) -> None:
        with self.lock:
            pass

    def acquire(self) -> None:
        self.lock.acquire(timeout=60)

    def take_a_slot(self) -> None:
        with self.semaphore:
            pass

    def get(self) -> None:
        self.queue.get()

    def get_simply(self) -> None:
        self.simple.get()

    def receive(self) -> None:
        int(
            self.ends[0].recv(1),
        )

    def free(self) -> None:
        self.lock.release()
        self.semaphore.release()
        self.queue.put(1)
        self.simple.put(1)
        self.ends[1].send(b"1")

    def close(self) -> None:
        for end in self.ends:
            end.close()


def work(call: Callable[[], object]) -> None:
    call()


def look_until(
    call: Callable[[], object],
    called: str,
    then: Callable[[], object],
    looks: Looks | None = None,
) -> Look:
    """The look at a thread that runs ``call``, once its stack ends with ``called``."""
    thread = threading.Thread(target=work, args=(call,))
    thread.start()
    looks = looks or Looks(work.__code__)
    seen: list[Look] = []

    def waits() -> bool:
        seen[:] = looks([thread.ident or 0])
        return bool(seen) and seen[0][1].endswith(f"\n{called}")

    try:
        eventually(waits, called)
    finally:
        then()
        thread.join()
    return seen[0]


@pytest.mark.parametrize(
    ("name", "called", "frames"),
    [
        ("enter", "with", 2),
        ("acquire", "acquire()", 2),
        ("take_a_slot", "acquire()", 4),
        ("get", "acquire()", 4),
        ("get_simply", "get()", 2),
        ("receive", "recv()", 2),
    ],
)
def test_what_a_thread_waits_for_has_a_name(name: str, called: str, frames: int) -> None:
    with closing(Blocked()) as blocked:
        _, stack, own, *_ = look_until(getattr(blocked, name), called, blocked.free)
    lines = stack.split("\n")
    assert len(lines) == frames, lines
    assert own == 0, "the rest is Python's own"
    assert "test_looks.py:" in lines[0]
    assert lines[0].endswith(name)


def test_statements_of_sqlite_say_so(tmp_path: Path) -> None:
    path = tmp_path / "one.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as first:
        first.execute("BEGIN IMMEDIATE")

        def write() -> None:
            with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as second:
                second.execute("BEGIN IMMEDIATE")

        _, stack, own, *_ = look_until(write, "sqlite3 execute()", lambda: first.execute("COMMIT"))
    assert own == 0
    assert len(stack.split("\n")) == 2, stack


@pytest.mark.skipif(
    sys.version_info < (3, 13) or not getattr(sys, "_is_gil_enabled", lambda: True)(),
    reason="its variables cannot be read without changing them",
)
def test_a_library_knows_sqlite_by_the_cursor_that_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "one.sqlite"
    library: dict[str, Callable[[sqlite3.Cursor], None]] = {}
    exec("def run(cursor):\n    cursor.execute('BEGIN IMMEDIATE')", library)
    with closing(sqlite3.connect(path, isolation_level=None)) as first:
        first.execute("BEGIN IMMEDIATE")

        def write() -> None:
            with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as second:
                library["run"](second.cursor())

        look_until(write, "sqlite3 execute()", lambda: first.execute("COMMIT"))


def test_an_instruction_that_calls_nothing_has_no_name() -> None:
    code = compile("while True: pass", "x", "exec")
    assert dict(callees(code)) == {}


def test_the_name_before_the_brackets_is_told_from_those_in_them() -> None:
    code = compile("a.b(c(1), d=e.f(2)).g(h())", "x", "exec")
    found = [name for _, name in callees(code)]
    in_order = [name for n, name in enumerate(found) if n == 0 or name != found[n - 1]]
    assert in_order == ["c()", "f()", "b()", "h()", "g()"]


def test_a_look_changes_no_variable(tmp_path: Path) -> None:
    path, changed = tmp_path / "one.sqlite", []
    with closing(sqlite3.connect(path, isolation_level=None)) as first:
        first.execute("BEGIN IMMEDIATE")

        def write(limit: int = 1) -> None:
            variables = locals()
            variables["limit"] = 10
            with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as second:
                second.execute("BEGIN IMMEDIATE")
            changed.append((limit, variables["limit"]))

        look_until(write, "sqlite3 execute()", lambda: first.execute("COMMIT"))
    assert changed == [(1, 10)]


def test_equal_functions_of_two_files_are_two() -> None:
    event = threading.Event()
    source = "def view(wait):\n    wait()"
    looks = Looks(work.__code__)
    found = []
    for file in ("/srv/shop/views.py", "/srv/blog/views.py"):
        names: dict[str, Callable[[Callable[[], object]], None]] = {}
        exec(compile(source, file, "exec"), names)
        event.clear()
        view = names["view"]

        def call(view: Callable[[Callable[[], object]], None] = view) -> None:
            view(event.wait)

        _, stack, *_ = look_until(call, "acquire()", event.set, looks)
        found.append(stack.split("\n")[1])
    assert found == ["shop/views.py:2 view", "blog/views.py:2 view"]


def test_names_cannot_control_a_terminal() -> None:
    assert printable("caf\xe9 \x1b[31m\r\udcff") == "caf\xe9 \\x1b[31m\\r\\udcff"

"""How records look on standard error, and that a terminal has colours and a file has none."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headwaiter._process import console, logs
from tests.support.http import TIMEOUT
from tests.support.process import environment
from tests.support.target import headwaiter_only

RED_ERROR = "\x1b[31mERROR\x1b[0m"


def record(level: int = logging.ERROR, name: str = "headwaiter.queue") -> logging.LogRecord:
    made = logging.LogRecord(name, level, "headwaiter", 0, "%s", ("said",), None)
    made.created, made.msecs = 1_700_000_000.042, 42.0
    return made


class Stream(io.StringIO):
    """A stream in memory that says of itself whether it is a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WT_SESSION", "a console of Windows that has colours")


@pytest.mark.parametrize(
    ("environment", "on_terminal", "on_pipe"),
    [
        ({}, True, False),
        ({"TERM": "xterm-256color"}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"FORCE_COLOR": ""}, True, False),
    ],
)
def test_who_has_colours(
    environment: dict[str, str],
    on_terminal: bool,
    on_pipe: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert console.is_coloured(Stream(True)) is on_terminal
    assert console.is_coloured(Stream(False)) is on_pipe
    with open(tmp_path / "log", "w", encoding="utf-8") as file:
        assert not console.is_coloured(file)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert not console.is_coloured(file)  # it is closed


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_a_real_terminal_has_colours() -> None:
    ours, theirs = os.openpty()
    with open(ours, "rb", buffering=0) as screen, open(theirs, "w", encoding="utf-8") as stream:
        assert console.is_coloured(stream)
        stream.write(console.shown(record(), stream))
        stream.flush()
        assert RED_ERROR in screen.read(4096).decode()


def test_a_line_has_milliseconds_and_a_level() -> None:
    line = console.shown(record(), Stream(False))
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:20,042 ERROR headwaiter.queue: said", line)
    assert f" {RED_ERROR} " in console.shown(record(), Stream(True))


@pytest.mark.parametrize("level", [5, 10, 20, 25, 30, 40, 50, 60])
def test_every_level_has_a_colour_and_the_record_stays_as_it_is(level: int) -> None:
    made = record(level)
    before = dict(vars(made))
    shown = console.shown(made, Stream(True))
    name = re.escape(logging.getLevelName(level))
    assert re.search(rf" \x1b\[[\d;]+m{name}\x1b\[0m ", shown), shown
    assert {name: vars(made)[name] for name in before if name != "message"} == {
        name: value for name, value in before.items() if name != "message"
    }


@contextmanager
def handlers(**added: logging.Handler) -> Iterator[None]:
    """Attach each handler to the logger of its name."""
    for name, handler in added.items():
        logging.getLogger(name).addHandler(handler)
    try:
        yield
    finally:
        for name, handler in added.items():
            logging.getLogger(name).removeHandler(handler)


def test_what_another_handler_has_written_is_not_written_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stream = Stream(False)
    monkeypatch.setattr(sys, "stderr", stream)
    ours, theirs = console.ConsoleHandler(), logging.StreamHandler(stream)
    warning = record(logging.WARNING, "framework.part")
    with handlers(framework=theirs):
        ours.handle(warning)
        assert stream.getvalue() == ""
        theirs.setLevel(logging.ERROR)
        ours.handle(warning)
        assert stream.getvalue().count("said") == 1
        theirs.setLevel(logging.NOTSET)
        theirs.addFilter(lambda _: False)  # such as Django's require_debug_true
        ours.handle(warning)
        assert stream.getvalue().count("said") == 2
    file: Any = logging.FileHandler(tmp_path / "log")
    with handlers(framework=file):
        ours.handle(warning)
    file.close()
    assert stream.getvalue().count("said") == 3


def test_the_handler_takes_what_it_writes() -> None:
    """The last resort goes by this."""
    assert console.ConsoleHandler().handle(record())


def test_logging_is_set_up_only_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.RootLogger(logging.WARNING)
    manager = logging.Manager(root)
    monkeypatch.setattr(logging, "getLogger", lambda n=None: manager.getLogger(n) if n else root)
    logs.configure_unless_configured()
    (handler,) = root.handlers
    assert isinstance(handler, console.ConsoleHandler)
    assert (root.level, logs.logger().level) == (logging.WARNING, logging.INFO)
    logs.configure_unless_configured()
    assert root.handlers == [handler]
    root.handlers = [logging.NullHandler()]
    logs.logger().setLevel(logging.NOTSET)
    logs.configure_unless_configured()
    assert (len(root.handlers), logs.logger().level) == (1, logging.NOTSET)


# Warns, and ends.
PROGRAM = """
import os, headwaiter
os.environ["HEADWAITER_THREDS"] = "1"
headwaiter.create_server(print, listen="127.0.0.1:0").close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@headwaiter_only("it has no colours")
def test_a_program_has_colours_on_a_terminal_and_none_in_a_file(tmp_path: Path) -> None:
    def run(stderr: int, **more: str) -> None:
        argv = [sys.executable, "-c", PROGRAM]
        subprocess.run(argv, env=environment(**more), stderr=stderr, check=True, timeout=TIMEOUT)

    ours, theirs = os.openpty()
    with open(ours, "rb", buffering=0) as screen, open(theirs, "wb") as terminal:
        run(terminal.fileno(), TERM="xterm")
        assert b" \x1b[33mWARNING\x1b[0m headwaiter: environment variable" in screen.read(4096)
    with open(tmp_path / "log", "w+b") as file:
        run(file.fileno(), FORCE_COLOR="1")
        file.seek(0)
        assert b" WARNING headwaiter: environment variable" in file.read()

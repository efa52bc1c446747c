"""Signals that only a parent acts on, sent to a server of one process: it says so and goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.process import ROOT, ServerProcess, environment, start_program, start_server
from tests.support.target import headwaiter_only
from tests.support.waiting import eventually

if sys.platform == "win32":
    pytest.skip("POSIX signals", allow_module_level=True)

pytestmark = headwaiter_only("these signals end it")

DEFAULT = """
import os, signal, sys
os.setsid()
for name in ("SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTTIN", "SIGTTOU"):
    signal.signal(getattr(signal, name), signal.SIG_DFL)
for name in sys.argv[1].split():
    signal.signal(getattr(signal, name), signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
"""Starts a program with the default action of every signal, but of those that it is to ignore, and
without a terminal. Whoever runs the tests in the background has some of them ignored."""
COMMAND = ("-m", "headwaiter", "--listen=127.0.0.1:0")
HELLO = "tests.support.apps:hello"


@contextmanager
def started(*arguments: str, ignored: str = "") -> Iterator[ServerProcess]:
    argv = [sys.executable, "-c", DEFAULT, ignored, *COMMAND, *arguments, HELLO]
    with ServerProcess(argv, environment(), ROOT, ()) as server:
        server.wait_for_addresses(1)
        yield server


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "SIGHUP",
            "cannot reload itself, and goes on as it was. Restart it, or start it with --pro",
        ),
        ("SIGUSR1", "has no access log in a file that could be reopened"),
        (
            "SIGUSR2",
            "cannot be upgraded in place, and goes on as it was. For that start it with --p",
        ),
        (
            "SIGTTIN",
            "cannot have one process more. For that start it with --processes=2, or with --",
        ),
        ("SIGTTOU", "cannot have one process fewer"),
    ],
)
def test_a_server_without_a_parent_goes_on(name: str, says: str) -> None:
    with started() as server:
        for _ in range(2):
            server.signal(signal.Signals[name])
            server.wait_for_log(
                f"WARNING headwaiter: {name}: this server is one process: it {says}"
            )
            assert server.ask().status == 200
        server.stop()


def test_quit_finishes_what_was_received() -> None:
    with started() as server:
        assert server.ask().status == 200
        server.signal(signal.SIGQUIT)
        assert server.wait() == 0
        assert "SIGQUIT: finishing what was received" in server.log
        assert "stop with Ctrl-C or SIGTERM" in server.log


def test_a_background_job_ignores_the_keys_of_the_terminal() -> None:
    with started(ignored="SIGINT SIGQUIT") as server:
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            server.signal(number)
        server.wait_for_log("SIGHUP: this server")
        assert "finishing" not in server.log
        server.stop()


def test_nohup() -> None:
    with started(ignored="SIGHUP") as server:
        server.signal(signal.SIGHUP)
        server.signal(signal.SIGUSR2)
        server.wait_for_log("SIGUSR2: ")
        assert "SIGHUP" not in server.log
        server.stop()


def test_a_file_of_the_access_log_is_reopened_still(tmp_path: Path) -> None:
    with started(f"--access-log={tmp_path / 'log'}") as server:
        (tmp_path / "log").rename(tmp_path / "old")
        server.signal(signal.SIGUSR1)
        server.signal(signal.SIGUSR2)
        server.wait_for_log("SIGUSR2: ")
        assert "SIGUSR1" not in server.log
        server.stop()
    assert (tmp_path / "log").exists()


def test_handlers_of_the_application_stay() -> None:
    with start_server("tests.process.own_signals:app") as server:
        server.signal(signal.SIGHUP)
        server.wait_for_log("own SIGHUP")
        server.signal(signal.SIGUSR2)
        server.wait_for_log("own SIGUSR2")
        assert "this server is one process" not in server.log
        server.stop()


def test_programs_keep_their_signals() -> None:
    """``serve`` takes only those that stop it."""
    with start_program("tests.process.programs", "own_handlers") as server:
        server.signal(signal.SIGHUP)
        assert server.wait() == -signal.SIGHUP


ON_A_TERMINAL = """
import os, pty, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.dup2(2, 1)
pty.spawn([sys.executable, *sys.argv[1:]])
"""


@contextmanager
def on_a_terminal(folder: Path) -> Iterator[tuple[ServerProcess, int]]:
    """A program that is a terminal, and the process ID of the server on it."""
    argv = [sys.executable, "-c", ON_A_TERMINAL, *COMMAND, f"--pid-file={folder / 'pid'}", HELLO]
    with ServerProcess(argv, environment(), ROOT, ()) as terminal:
        terminal.wait_for_addresses(1)
        yield terminal, int((folder / "pid").read_text(encoding="ascii"))


def test_the_end_of_the_terminal_is_a_stop(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path) as (terminal, server):
        terminal.process.kill()
        terminal.wait()
        try:  # a server that the signal has killed leaves the file
            eventually(lambda: not (tmp_path / "pid").exists(), "the end of the server")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(server, signal.SIGKILL)


def test_a_hangup_while_the_terminal_is_there_is_no_stop(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path) as (terminal, server):
        os.kill(server, signal.SIGHUP)
        terminal.wait_for_log("cannot reload itself")
        assert terminal.ask().status == 200
        os.kill(server, signal.SIGTERM)
        terminal.wait_for_log("SIGTERM: finishing")
        assert terminal.wait() == 0
    assert not (tmp_path / "pid").exists()

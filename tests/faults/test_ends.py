"""Starts and ends by the hundred: whatever a process is in the middle of, it ends with the
documented status.

``HEADWAITER_TEST_ENDS`` says how many ends of each way there are (the suite: 2; before a release:
1,000).
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.crowd import make_crowd
from tests.faults.test_stalled_log import check as check_stalled
from tests.support import procfs
from tests.support.process import ServerProcess, start_program, start_server
from tests.support.target import headwaiter_only
from tests.support.waiting import pause

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
    pytest.mark.slow,
    headwaiter_only("SIGTERM ends it at once"),
]
ENDS = int(os.environ.get("HEADWAITER_TEST_ENDS", "2"))
AT_ONCE = 4
SAME_STOP = 0.5
PROGRAM = "tests.faults.ending"
HOW = pytest.mark.parametrize("how", ["command", "serve", "daemon"])


def start(how: str) -> ServerProcess:
    if how == "command":
        return start_server(f"{PROGRAM}:app", shutdown_timeout=0.3)
    return start_program(PROGRAM, how)


def end(server: ServerProcess, how: str) -> None:
    """By SIGTERM or, where a daemon thread serves, by the end of the program."""
    if how == "daemon":
        server.end_input()
    else:
        server.signal(signal.SIGTERM)


def check(server: ServerProcess, how: str, by_itself: int) -> None:
    """A program's status is its own; that of the command line is ``by_itself``."""
    status = server.wait(60)
    assert status == (by_itself if how == "command" else 7), server.log
    for bad in ("Fatal Python", "FATAL", "panick", "Traceback", "Exception ignored"):
        assert bad not in server.log


def idle(how: str) -> None:
    with start(how) as server:
        assert server.ask().status == 200
        end(server, how)
        check(server, how, 0)


def blocked(how: str) -> None:
    with start(how) as server, server.connect(timeout=60) as client:
        client.request("/block")
        server.wait_for_log("blocks")
        end(server, how)
        check(server, how, 3)


def busy(how: str) -> None:
    with start(how) as server:
        crowd, served = make_crowd(server, 2)
        for thread in crowd:
            thread.start()
        for _ in range(random.randint(1, 50)):
            assert served.acquire(timeout=60)
        end(server, how)
        check(server, how, 0)
        for thread in crowd:
            thread.join()


def twice(how: str) -> None:
    with start(how) as server:
        first = time.monotonic()
        server.signal(signal.SIGTERM)
        pause(random.uniform(0.001, 0.4))
        server.signal(signal.SIGTERM)
        # The process handles it when it gets the CPU, and only then looks at the clock.
        while procfs.is_pending(server.pid, signal.SIGTERM):
            pause(0.001)
        if time.monotonic() - first < SAME_STOP:  # else it is another stop, on a busy machine
            check(server, how, 0)
        else:
            server.wait(60)


@HOW
@pytest.mark.parametrize("way", [idle, blocked, busy])
def test_ends(way: Callable[[str], None], how: str) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(way, [how] * ENDS):
            pass


@pytest.mark.skipif(not procfs.AVAILABLE, reason="reads /proc")
@pytest.mark.parametrize("how", ["command", "serve"])
def test_two_signals(how: str) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(twice, [how] * ENDS):
            pass


@HOW
def test_a_stalled_log(how: str, tmp_path: Path) -> None:
    def stalled(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        check_stalled(folder, how, "/")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(stalled, range(ENDS)):
            pass

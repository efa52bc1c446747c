"""Two headwaiters behind a real HAProxy are restarted by ``roll.py``, and no request is lost.

``HEADWAITER_TEST_ROLLS=10`` repeats the roll under the same load.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from multiprocessing.connection import Client, Listener
from pathlib import Path

import pytest

from tests.processes.load import Load
from tests.support.process import ROOT, ServerProcess, start_server

from . import DEPLOY, FRONT, WEB1, WEB2
from .proxies import haproxy_command, running, stats_socket

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="only Linux has all of 127.0.0.0/8"
    ),
]
ADDRESSES = {"web1": WEB1, "web2": WEB2}
ROLLS = int(os.environ.get("HEADWAITER_TEST_ROLLS", "1"))
DRAIN_DELAY = 2
"""HAProxy needs at most 1.5 s of it."""
CROWD = {"keep_alive": 2, "sleepers": 2, "uploads": 1, "slow_uploads": 2, "downloads": 2}


def start(name: str) -> ServerProcess:
    return start_server(
        "tests.processes.loaded:application",
        listen="{}:{}".format(*ADDRESSES[name]),
        threads=16,
        health_path="/ready",
        drain_delay=DRAIN_DELAY,
    )


class Manager:
    """The service manager of both servers: restarts the one that a connection names."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.servers: dict[str, ServerProcess] = {}
        self.restarted: list[str] = []
        self._listener = Listener(str(path))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Manager:
        self._thread.start()
        try:
            self.servers.update((name, start(name)) for name in ADDRESSES)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        with Client(str(self.path)) as connection:
            connection.send("")
            connection.recv()
        self._thread.join()
        self._listener.close()
        for server in self.servers.values():
            server.kill()

    def _serve(self) -> None:
        name = "-"
        while name:
            with self._listener.accept() as connection:
                name = connection.recv()
                connection.send(not name or self._restart(name))

    def _restart(self, name: str) -> bool:
        try:
            with self.servers[name] as server:
                server.stop()
            self.servers[name] = start(name)
        except (AssertionError, subprocess.TimeoutExpired):
            return False
        self.restarted.append(name)
        return True


def roll(folder: Path) -> None:
    """``roll.py`` as an administrator calls it, with our own manager in place of systemd."""
    restart = [sys.executable, "-m", "tests.deploy.restart", str(folder / "manager.sock"), "{}"]
    argv = [sys.executable, str(DEPLOY / "roll.py"), f"--haproxy={stats_socket(folder)}"]
    argv += [f"--restart={subprocess.list2cmdline(restart)}", *ADDRESSES]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_request_is_lost_while_both_servers_are_restarted(folder: Path) -> None:
    with ExitStack() as stack:
        managed = stack.enter_context(Manager(folder / "manager.sock"))
        stack.enter_context(running(haproxy_command(folder), folder))
        load = stack.enter_context(Load(FRONT, CROWD))
        for _ in range(ROLLS):
            before = load.counts["replies"]
            roll(folder)
            assert not load.failures, "\n".join(load.failures)
            assert load.counts["replies"] > before
    assert not load.failures, "\n".join(load.failures)
    assert managed.restarted == [*ADDRESSES] * ROLLS


def test_a_server_that_does_not_come_back_ends_the_roll(folder: Path) -> None:
    """The other one is left alone."""
    command = haproxy_command(folder)
    with Manager(folder / "manager.sock") as managed, running(command, folder):
        argv = [sys.executable, str(DEPLOY / "roll.py"), f"--haproxy={stats_socket(folder)}"]
        argv += ["--restart=false", *ADDRESSES]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stderr) == (1, "web1: false failed\n")
        assert managed.restarted == []

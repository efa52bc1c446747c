"""The parent as a process, with children that behave as a script says (``fake_child.py``)."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headwaiter._parent import control
from tests.support.http import TIMEOUT
from tests.support.process import ROOT, ServerProcess, environment, run_cli

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one process there")


class Parent(ServerProcess):
    """The parent, and the folder with its control socket and its script."""

    def __init__(self, folder: Path, words: str, env: dict[str, str], **settings: object) -> None:
        self.folder = folder
        script = folder / "script"
        script.write_text(words, encoding="ascii")
        given = {"control": folder / "ctl", "processes": 2, **settings}
        argv = [sys.executable, "-m", "tests.processes.fake_parent", str(script)]
        argv += [f"{name}={value}" for name, value in given.items() if value is not None]
        super().__init__(argv, environment(**env), ROOT, ())

    def ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_cli("ctl", f"--control={self.folder / 'ctl'}", *arguments)

    def started(self, count: int) -> list[int]:
        """Wait until ``count`` children were ready; return their process ids."""
        self.wait_for_log(rf"(?s)(pid \d+\) is ready.*){{{count}}}")
        return [int(pid) for pid in re.findall(r"pid (\d+)\) is ready", self.log)]


@contextmanager
def started(
    folder: Path, words: str, env: dict[str, str] | None = None, **settings: object
) -> Iterator[Parent]:
    with Parent(folder, words, env or {}, **settings) as parent:
        assert isinstance(parent, Parent)
        yield parent


def test_start_and_stop(tmp_path: Path) -> None:
    with started(tmp_path, "serve", pid_file=tmp_path / "pid") as parent:
        parent.started(2)
        assert (tmp_path / "pid").read_text(encoding="ascii") == f"{parent.pid}\n"
        assert stat.S_IMODE((tmp_path / "ctl").stat().st_mode) == 0o600
        parent.stop()
        assert parent.log.count("told drain") == 2
        assert not (tmp_path / "pid").exists()
        assert not (tmp_path / "ctl").exists()


def test_no_child_can_start(tmp_path: Path) -> None:
    with started(tmp_path, "fail") as parent:
        assert parent.wait() == 1
        assert parent.log.count("headwaiter: cannot load the application") == 1
        assert "Serving on" not in parent.log


def test_a_crash_while_starting_is_named(tmp_path: Path) -> None:
    with started(tmp_path, "crash", processes=1) as parent:
        assert parent.wait() == 1
        assert "process 0 was ended by SIGSEGV while it started" in parent.log


def test_one_of_two_children_fails_at_first(tmp_path: Path) -> None:
    with started(tmp_path, "serve fail serve") as parent:
        parent.started(2)
        parent.stop()


def test_a_reload_and_one_that_fails(tmp_path: Path) -> None:
    with started(tmp_path, "serve serve serve serve fail serve") as parent:
        first = parent.started(2)
        done = parent.ctl("reload")
        assert (done.returncode, done.stdout) == (0, "reloaded\n")
        second = parent.started(4)
        assert not set(first) & set(second[2:])
        failed = parent.ctl("reload")
        assert (failed.returncode, failed.stdout) == (1, "")
        assert failed.stderr == "headwaiter ctl: cannot load the application\n"
        status = parent.ctl("status").stdout
        assert "2 wanted, 2 ready" in status
        assert "the last reload failed:\ncannot load the application" in status
        assert all(str(pid) in status for pid in second[2:])
        parent.stop()


def test_a_reload_by_signal_replaces_one_after_the_other(tmp_path: Path) -> None:
    with started(tmp_path, "serve") as parent:
        parent.started(2)
        parent.signal(signal.SIGHUP)
        parent.wait_for_log("every process is new")
        order = re.findall(r"told drain|: serve", parent.log)
        assert order[2:] == [": serve", "told drain"] * 2
        parent.stop()


def test_a_child_that_is_killed_is_replaced_at_once(tmp_path: Path) -> None:
    with started(tmp_path, "serve") as parent:
        victim = parent.started(2)[0]
        os.kill(victim, signal.SIGKILL)
        parent.wait_for_log("was ended by SIGKILL")
        parent.started(3)
        parent.stop()


def test_the_number_of_processes_changes(tmp_path: Path) -> None:
    with started(tmp_path, "serve") as parent:
        parent.started(2)
        parent.signal(signal.SIGTTIN)
        parent.started(3)
        parent.signal(signal.SIGTTOU)
        parent.wait_for_log("told drain")
        assert parent.ctl("scale", "4").stdout == "processes: 4\n"
        parent.started(5)
        parent.stop()


def test_a_child_that_asks_is_replaced(tmp_path: Path) -> None:
    with started(tmp_path, "asks serve", processes=1) as parent:
        parent.started(2)
        parent.wait_for_log("told drain")
        parent.stop()


def test_a_child_that_does_not_leave_is_cut_by_the_second_signal(tmp_path: Path) -> None:
    with started(tmp_path, "deaf", processes=1) as parent:
        parent.started(1)
        parent.signal(signal.SIGINT)
        parent.wait_for_log("told drain")
        while parent.process.poll() is None and "told cut" not in parent.log:
            parent.signal(signal.SIGINT)  # within half a second it is the same stop
        assert parent.wait() == 3


def test_readiness_ends_before_the_drain(tmp_path: Path) -> None:
    with started(tmp_path, "serve", processes=1, drain_delay=0.1) as parent:
        parent.started(1)
        parent.stop()
        assert re.findall(r"told (\w+)", parent.log) == ["unready", "drain"]


def test_children_leave_with_their_parent(tmp_path: Path) -> None:
    with started(tmp_path, "serve serve hang") as parent:
        parent.started(2)
        parent.ctl("scale", "3")
        parent.wait_for_log("fake child 2: hang")
        parent.process.kill()
        # The pipe of standard error ends when the last child has gone.
        parent.wait()
        assert parent._ended


def test_a_second_server_with_the_same_control_socket(tmp_path: Path) -> None:
    with started(tmp_path, "serve", processes=1) as parent:
        parent.started(1)
        with started(tmp_path, "serve", processes=1) as second:
            assert second.wait() == 1
            assert "ctl: another server uses it" in second.log
        assert "1 ready" in parent.ctl("status").stdout
        stopped = parent.ctl("stop")
        assert (stopped.returncode, stopped.stdout) == (0, "stopped\n")
        assert parent.wait() == 0


def test_a_stale_control_socket_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "ctl"))
    with started(tmp_path, "serve", processes=1) as parent:
        parent.started(1)
        parent.stop()


def test_the_question_whether_a_control_socket_is_stale_costs_its_server_no_connection(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "ctl")
    with socket.socket(socket.AF_UNIX) as owner:
        owner.bind(path)
        owner.listen(0)
        owner.setblocking(False)
        for _ in range(3):
            with pytest.raises(control.ControlError, match="another server uses it"):
                control.bound(path)
        with pytest.raises(BlockingIOError):
            owner.accept()


def test_what_the_service_manager_hears(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(TIMEOUT)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}

        def hear(state: str) -> str:
            while not (text := manager.recv(4096).decode()).startswith(state):
                pass
            return text

        with started(tmp_path, "serve", env) as parent:
            hear("STATUS=2 starting")
            hear("READY=1")
            hear("STATUS=2 ready")
            hear("WATCHDOG=1")
            parent.signal(signal.SIGHUP)
            assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", hear("RELOADING=1"))
            hear("READY=1")
            parent.signal(signal.SIGTERM)
            hear("STOPPING=1")
            assert parent.wait() == 0


def test_ctl_without_a_server(tmp_path: Path) -> None:
    missing = run_cli("ctl", f"--control={tmp_path / 'none'}", "status")
    assert missing.returncode == 1
    assert "No such file" in missing.stderr
    for wrong in (
        ["status"],
        ["--control=x", "scale"],
        ["--control=x", "stop", "3"],
        ["--control=x", "nap"],
    ):
        assert run_cli("ctl", *wrong).returncode == 2

"""A running server goes on as the installed version of headwaiter."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headwaiter import _headwaiter
from headwaiter._parent import state
from tests.processes.load import Load
from tests.processes.test_faults import fill
from tests.processes.test_serving import ready_pids, requests_counted, who
from tests.support.http import TIMEOUT
from tests.support.process import (
    ROOT,
    ServerProcess,
    environment,
    flags,
    run_cli,
    start_server,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one process there")
VERSION = f"headwaiter {_headwaiter.__version__}"


def start(folder: Path, app: str = "tests.processes.apps:who", **settings: Any) -> ServerProcess:
    """A server with a control socket, which imports what is in ``folder`` before anything else."""
    given = {"control": folder / "ctl", "processes": 2, **settings}
    server = start_server(app, env={"PYTHONPATH": str(folder)}, **given)
    ready_pids(server, given["processes"])
    return server


def ctl(folder: Path, verb: str) -> tuple[int, str]:
    """The exit status of ``headwaiter ctl``, and what it printed."""
    done = run_cli("ctl", f"--control={folder / 'ctl'}", verb)
    return done.returncode, done.stdout + done.stderr


def descriptors(server: ServerProcess) -> int:
    """How many the parent has open, where the system tells."""
    return len(os.listdir(f"/proc/{server.pid}/fd")) if sys.platform == "linux" else 0


def test_three_upgrades_under_load_lose_nothing(tmp_path: Path) -> None:
    app = "tests.processes.loaded:application"
    crowd = {"keep_alive": 2, "uploads": 1, "downloads": 1, "idlers": 2, "newcomers": 1}
    with start(tmp_path, app, pid_file=tmp_path / "pid", threads=8) as server:
        before = ready_pids(server, 2)
        with Load(server.address, crowd) as load:
            for _ in range(3):
                assert ctl(tmp_path, "upgrade") == (0, f"upgraded to {VERSION}\n")
                own = f"process {server.pid} runs {VERSION}"
        assert load.failures == []
        assert load.counts["replies"] > 0
        assert server.log.count(own) == 3
        assert (tmp_path / "pid").read_text(encoding="ascii") == f"{server.pid}\n"
        assert not set(before) & set(ready_pids(server, 8)[6:])
        server.stop()
        assert not (tmp_path / "pid").exists()
        assert not (tmp_path / "ctl").exists()


def test_a_log_that_nobody_reads_holds_up_no_upgrade(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    fill(writer)
    settings = {"unix-socket": tmp_path / "serving", "control": tmp_path / "ctl", "processes": 1}
    argv = [sys.executable, "-m", "headwaiter", *flags(settings), "tests.processes.apps:who"]
    process = subprocess.Popen(argv, env=environment(), cwd=ROOT, stderr=writer)
    try:
        upgraded = (0, f"upgraded to {VERSION}\n")
        eventually(lambda: ctl(tmp_path, "upgrade") == upgraded, "an upgrade", 6 * TIMEOUT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(3 * TIMEOUT) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        os.close(writer)


def test_figures_and_descriptors_stay(tmp_path: Path) -> None:
    with start(tmp_path, admin="127.0.0.1:0", addresses=2) as server:
        counted, opened = 0, descriptors(server)
        for number in range(2):
            for _ in range(10):
                who(server)
            counted += 10
            assert requests_counted(server) == counted
            server.signal(signal.SIGUSR2)
            server.wait_for_log(rf"(?s)(every process is new.*){{{number + 1}}}")
            assert requests_counted(server) == counted
            # The inboxes of children that are gone are closed after a second.
            eventually(lambda: descriptors(server) == opened, "the descriptors of the start")
        server.stop()


def test_a_unix_socket_is_removed_by_the_last_version(tmp_path: Path) -> None:
    serving, admin = tmp_path / "serving", tmp_path / "admin"
    with start(tmp_path, unix_socket=serving, admin=admin) as server:
        assert ctl(tmp_path, "upgrade")[0] == 0
        assert who(server)["multiprocess"] is True
        server.stop()
        assert not serving.exists()
        assert not admin.exists()


def test_a_version_that_cannot_be_imported_changes_nothing(tmp_path: Path) -> None:
    with start(tmp_path) as server:
        before = ready_pids(server, 2)
        opened = descriptors(server)
        release = tmp_path / "headwaiter"
        release.mkdir()
        (release / "__init__.py").write_text("raise RuntimeError('half of it is missing')")
        status, text = ctl(tmp_path, "upgrade")
        assert status == 1
        assert "RuntimeError: half of it is missing" in text
        server.wait_for_log("the upgrade failed; this version goes on")
        assert "half of it is missing" in server.log
        assert "the last upgrade failed:" in ctl(tmp_path, "status")[1]
        assert {who(server)["pid"] for _ in range(4)} <= set(before)
        assert descriptors(server) == opened
        shutil.rmtree(release)
        assert ctl(tmp_path, "upgrade")[0] == 0
        assert not {who(server)["pid"] for _ in range(4)} & set(before)
        server.stop()


def test_a_configuration_that_is_wrong_by_now_changes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text("threads = 2\n", encoding="utf-8")
    with start(tmp_path, config=config) as server:
        config.write_text("threads = 'some'\n", encoding="utf-8")
        status, text = ctl(tmp_path, "upgrade")
        assert (status, "threads" in text) == (1, True)
        assert who(server)["pid"] in ready_pids(server, 2)
        server.stop()


def test_an_application_that_fails_by_now_is_told(tmp_path: Path) -> None:
    app = tmp_path / "site_app.py"
    app.write_text("from tests.processes.apps import who\n", encoding="utf-8")
    with start(tmp_path, "site_app:who") as server:
        before = ready_pids(server, 2)
        app.write_text("raise RuntimeError('a bad release')\n", encoding="utf-8")
        status, text = ctl(tmp_path, "upgrade")
        assert status == 1
        assert f"the parent runs {VERSION}, but the earlier processes go on" in text
        assert "a bad release" in text
        assert who(server)["pid"] in before
        # The adopted children are the parent's own: it waits for them.
        os.kill(before[0], signal.SIGKILL)
        server.wait_for_log("was ended by SIGKILL")
        app.write_text("from tests.processes.apps import who\n", encoding="utf-8")
        assert ctl(tmp_path, "reload") == (0, "reloaded\n")
        server.stop()


def test_a_stop_ends_the_trial(tmp_path: Path) -> None:
    with start(tmp_path) as server:
        at_start(tmp_path, "'--check' in sys.argv", "time.sleep(3600)")
        server.signal(signal.SIGUSR2)
        server.wait_for_log("the new version is tried")
        server.stop()


def opens(fifo: Path) -> bool:
    """Opens and closes the end that is written to, if somebody reads."""
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def test_what_happens_while_the_new_version_starts(tmp_path: Path) -> None:
    go_on = tmp_path / "go_on"
    os.mkfifo(go_on)
    with start(tmp_path) as server:
        victim = ready_pids(server, 2)[0]
        is_new = "any('--state=' in item for item in sys.argv) and '--check' not in sys.argv"
        at_start(tmp_path, is_new, f"print('begins', file=sys.stderr); open({str(go_on)!r}).read()")
        server.signal(signal.SIGUSR2)
        server.wait_for_log("begins")
        os.kill(victim, signal.SIGKILL)
        server.signal(signal.SIGUSR1)
        server.signal(signal.SIGTERM)
        # The new version has waited for this.
        eventually(lambda: opens(go_on), "the new version waits")
        assert server.wait() in (0, 3)
        assert "was ended by SIGKILL" in server.log
        assert "SIGTERM: stopping" in server.log


def test_a_system_that_refuses_to_execute_changes_nothing(tmp_path: Path) -> None:
    at_start(tmp_path, "'--processes=2' in sys.argv", "os.execve = lambda *_: os.open('/no', 0)")
    with start(tmp_path, admin="127.0.0.1:0", addresses=2) as server:
        status, text = ctl(tmp_path, "upgrade")
        assert requests_counted(server) == 0
        assert status == 1
        assert "cannot execute the new version: [Errno 2]" in text
        assert ctl(tmp_path, "reload") == (0, "reloaded\n")
        os.kill(ready_pids(server, 4)[2], signal.SIGKILL)
        server.wait_for_log("was ended by SIGKILL")
        server.stop()


def test_the_end_of_a_reload_does_not_answer_who_waits_for_an_upgrade(tmp_path: Path) -> None:
    go_on = tmp_path / "go_on"
    os.mkfifo(go_on)
    with start(tmp_path, processes=1) as server, socket.socket(socket.AF_UNIX) as client:
        at_start(tmp_path, "'--check' in sys.argv", f"open({str(go_on)!r}).read()")
        client.settimeout(TIMEOUT)
        client.connect(str(tmp_path / "ctl"))
        client.sendall(b'{"do": "upgrade"}\n')
        server.wait_for_log("the new version is tried")
        assert ctl(tmp_path, "reload") == (0, "reloaded\n")
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(4096)
        client.settimeout(TIMEOUT)
        go_on.write_text("", encoding="ascii")
        assert "upgraded to" in client.recv(4096).decode()
        server.stop()


def test_half_a_request_of_ctl_is_not_lost(tmp_path: Path) -> None:
    with start(tmp_path) as server, socket.socket(socket.AF_UNIX) as client:
        client.settimeout(TIMEOUT)
        client.connect(str(tmp_path / "ctl"))
        client.sendall(b'{"do": "sta')
        # The answer to a later client shows that the server has read what came before.
        assert ctl(tmp_path, "status")[0] == 0
        assert ctl(tmp_path, "upgrade")[0] == 0
        client.sendall(b'tus"}\n')
        assert "2 wanted" in client.recv(4096).decode()
        server.stop()


def at_start(folder: Path, condition: str, what: str) -> None:
    """Processes that start from now on do ``what`` before anything else, if ``condition``."""
    lines = ["import os, sys, time", f"if {condition}: {what}", ""]
    (folder / "sitecustomize.py").write_text("\n".join(lines), encoding="utf-8")


def test_the_service_manager_hears_of_a_reload(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(TIMEOUT)
        states: list[str] = []

        def hear(state: str) -> None:
            while not states or not states[-1].startswith(state):
                states.append(manager.recv(4096).decode())

        server = start_server(
            "tests.processes.apps:who",
            processes=1,
            control=tmp_path / "ctl",
            env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3600000000"},
        )
        with server:
            hear("READY=1")
            server.signal(signal.SIGUSR2)
            hear("RELOADING=1")
            hear("READY=1")
            server.stop()
            hear("STOPPING=1")
    told = [re.split("[=\n]", text)[0] for text in states if not text.startswith("STATUS")]
    assert told == ["READY", "WATCHDOG", "RELOADING", "READY", "STOPPING"]


def tried(told: dict[str, Any]) -> tuple[int, str]:
    """The exit status and the output of a trial with this state."""
    descriptor = state.write(told)
    try:
        line = ["--check", f"--state={descriptor}", "--", "app:app"]
        done = subprocess.run(
            [sys.executable, "-m", "headwaiter._upgraded", *line],
            env=environment(),
            pass_fds=[descriptor],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.close(descriptor)
    return done.returncode, done.stdout + done.stderr


def test_a_state_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "VERSION", 99)
    status, text = tried({})
    assert status == 1
    assert "has a state of version 99" in text
    assert "restart the server instead" in text


def test_a_state_without_a_page_is_refused() -> None:
    status, text = tried({"children": {"page": 0}})
    assert status == 1
    assert "restart the server instead" in text
    assert tried({})[0] == 1


def test_what_is_no_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text(json.dumps([]))
    with pytest.raises(state.StateError, match="version None"):
        state.read(os.open(tmp_path / "state", os.O_RDONLY))
    (tmp_path / "state").write_text("nonsense")
    with pytest.raises(state.StateError, match="cannot be read"):
        state.read(os.open(tmp_path / "state", os.O_RDONLY))

"""A reload takes the parent's own settings anew."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from headwaiter._parent.child import Config
from headwaiter._parent.settings import Settings
from headwaiter._parent.start import configured
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.flags import parse
from tests.processes.machine_driver import Driver
from tests.processes.test_parent import started
from tests.processes.test_serving import ready_pids
from tests.support.http import TIMEOUT
from tests.support.process import run_cli, start_server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one process there")


def write(folder: Path, text: str) -> Path:
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_number_of_processes(tmp_path: Path) -> None:
    config = write(tmp_path, "processes = 1")
    with started(tmp_path, "serve", config=config, processes=None) as parent:
        parent.started(1)
        write(tmp_path, "processes = 3")
        assert parent.ctl("reload").returncode == 0
        assert "3 wanted, 3 ready" in parent.ctl("status").stdout
        assert parent.ctl("scale", "2").returncode == 0
        assert parent.ctl("reload").returncode == 0  # the file is as it was
        assert "2 wanted" in parent.ctl("status").stdout
        parent.stop()


def test_the_delay_of_the_drain(tmp_path: Path) -> None:
    config = write(tmp_path, "drain_delay = 3600")
    with started(tmp_path, "serve", config=config, processes=1) as parent:
        parent.started(1)
        write(tmp_path, "drain_delay = 0")
        assert parent.ctl("reload").returncode == 0
        parent.stop()


def test_what_needs_a_restart_is_named(tmp_path: Path) -> None:
    config = write(tmp_path, "backlog = 5")
    with started(tmp_path, "serve", config=config, processes=1) as parent:
        parent.started(1)
        text = f"backlog = 6\npid_file = '{tmp_path / 'pid'}'\nadmin = '127.0.0.1:1'\nreload = true"
        write(tmp_path, text)
        assert parent.ctl("reload").returncode == 0
        names = "admin, pid_file, reload"
        parent.wait_for_log(f"reload: {names} changed: that needs a restart of the server")
        parent.stop()
        assert not (tmp_path / "pid").exists()


@pytest.mark.parametrize("text", ["threads = 0", "drain_delay = 'x'", "speed = 1", "["])
def test_wrong_settings_change_nothing(tmp_path: Path, text: str) -> None:
    config = write(tmp_path, "threads = 2")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(TIMEOUT)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with start_server(config=config, processes=2, control=tmp_path / "ctl", env=env) as server:
            before = ready_pids(server, 2)
            write(tmp_path, text)
            server.signal(signal.SIGHUP)
            said = server.wait_for_log("the reload failed; the earlier processes go on\n.*\n")[0]
            assert "site.toml" in said
            assert "Traceback" not in server.log
            heard: list[str] = []
            while not (heard and heard[-1].startswith("RELOADING=1")):
                heard.append(manager.recv(4096).decode())
            while heard[-1] != "READY=1":
                heard.append(manager.recv(4096).decode())
            assert server.ask("/").status == 200
            assert ready_pids(server, 2) == before
            server.stop()


def test_an_upgrade_takes_the_settings_as_a_reload_does(tmp_path: Path) -> None:
    config = write(tmp_path, "processes = 1")
    with start_server(config=config, control=tmp_path / "ctl") as server:
        ready_pids(server, 1)
        write(tmp_path, f"processes = 2\nadmin = '127.0.0.1:0'\npid_file = '{tmp_path / 'pid'}'")
        server.signal(signal.SIGUSR2)
        server.wait_for_log("reload: admin, pid_file changed: that needs a restart of the server")
        server.wait_for_log("every process is new")
        shown = run_cli("ctl", f"--control={tmp_path / 'ctl'}", "status").stdout
        assert "2 wanted, 2 ready" in shown
        server.stop()


def test_what_another_version_has_told_of_its_settings_is_no_change() -> None:
    adjustments = Adjustments(listen="127.0.0.1:0")
    settings = Settings(adjustments, lambda: adjustments, lambda _: (Config(1), []))
    settings.adopt({"no_longer_known": "1", **settings.state()}, adjustments)
    assert not settings.rescales


@pytest.mark.parametrize("reload", [False, True])
def test_who_watches_the_files_stays_as_it_was(reload: bool) -> None:
    """For the children, too, which read the file themselves."""
    preload = sys.platform == "linux"
    first, later = (
        Adjustments(listen="127.0.0.1:0", preload=preload, reload=one)
        for one in (reload, not reload)
    )
    settings = Settings(first, lambda: later, lambda adjustments: configured(adjustments, slots=8))
    assert settings.arguments == []
    settings.read(os.getcwd())
    assert settings.config.development is reload
    assert settings.config.preload is (preload and not reload)
    (flag,) = settings.arguments
    assert parse([flag, "site:app"]).reload == str(reload).lower()
    settings.adopt(settings.state(), first)
    assert settings.arguments == []


@pytest.mark.parametrize(("gil", "places"), [(False, 1), (True, 3)])
def test_a_number_of_processes_that_depends_on_the_gil(gil: bool, places: int) -> None:
    driver = Driver(processes=2)
    driver.machine.handle_ready(driver.now, 0, gil=gil)
    driver.machine.handle_reload(driver.now, Config(3, adaptive=True))
    driver.machine.handle_rescale(driver.now)
    assert len(driver.machine.places) == places


def test_who_asks_for_a_reload_hears_of_wrong_settings_although_an_earlier_reload_goes_on(
    tmp_path: Path,
) -> None:
    config = write(tmp_path, "threads = 2")
    with started(tmp_path, "serve hang", config=config, processes=1) as parent:
        parent.started(1)
        parent.signal(signal.SIGHUP)
        parent.wait_for_log(": hang")
        write(tmp_path, "threads = 0")
        failed = parent.ctl("reload")
        assert failed.returncode == 1
        assert "threads" in failed.stderr
        parent.stop()


def test_wrong_settings_end_no_reload_that_goes_on() -> None:
    driver = Driver()
    driver.after("ready 0", "ready 1", "HUP")
    driver.machine.handle_refused(driver.now, "wrong")
    assert driver.after("ready 2", "exit 0 0", "ready 0", "exit 1 0") == [
        *("drain 0", "start 0", "drain 1"),
    ]
    assert driver.reloads == [""]


def test_wrong_settings_before_the_server_is_ready() -> None:
    """The service manager must not hear that the server is."""
    driver = Driver()
    driver.machine.handle_refused(driver.now, "wrong")
    assert driver.done() == ["start 0", "start 1"]
    assert (driver.reloads, driver.states) == (["wrong"], [])

"""``user``, ``group`` and ``umask``: root binds, and another user serves."""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwaiter import create_server
from headwaiter._process import identity
from tests.support import users
from tests.support.apps import hello
from tests.support.process import ServerProcess, environment, run_cli
from tests.support.target import headwaiter_only
from tests.support.waiting import eventually

if sys.platform == "win32":
    pytest.skip("users are numbers on POSIX systems only", allow_module_level=True)

import grp
import pwd
import signal

pytestmark = headwaiter_only("it has no such settings")

APPLICATION = """
import json
import os

def state():
    return {
        "users": os.getresuid() if hasattr(os, "getresuid") else [os.getuid()],
        "groups": os.getresgid() if hasattr(os, "getresgid") else [os.getgid()],
        "supplementary": os.getgroups(),
    }

LOADED = state()

def app(environ, start_response):
    try:
        os.setuid(0)
        regained = True
    except PermissionError:
        regained = False
    names = ("HOME", "USER", "LOGNAME")
    told = {"loaded": LOADED, "now": state(), "regained": regained}
    told["variables"] = {name: os.environ[name] for name in names}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
"""
USER = f"--user={users.NAME}"


@pytest.fixture
def site() -> Iterator[Path]:
    """A directory with an application, which the user may read."""
    users.need_another_user()
    with users.folder() as folder:
        (folder / "who.py").write_text(APPLICATION, encoding="utf-8")
        yield folder


def ask(server: ServerProcess) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(server.ask().body)
    return told


def expect_dropped(told: dict[str, Any]) -> None:
    """That this is the user, from before the application was loaded, and for good."""
    entry = pwd.getpwnam(users.NAME)
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    for state in (told["loaded"], told["now"]):
        assert set(state["users"]) == {entry.pw_uid}
        assert set(state["groups"]) == {entry.pw_gid}
        assert sorted(state["supplementary"]) == sorted(groups)
    assert told["regained"] is False
    names = {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name}
    assert told["variables"] == names


@pytest.mark.parametrize("more", [[], ["--processes=2"], ["--preload"]], ids=str)
def test_the_application_never_runs_as_root(site: Path, more: list[str]) -> None:
    if more == ["--preload"] and sys.platform != "linux":
        pytest.skip("preload is refused")
    with users.server_of(site, USER, *more, "who:app") as server:
        server.wait_for_addresses(1)
        expect_dropped(ask(server))
        server.stop()


def test_a_reload_starts_processes_of_the_user(site: Path) -> None:
    with users.server_of(site, USER, "--processes=1", "--control=ctl", "who:app") as server:
        server.wait_for_addresses(1)
        server.signal(signal.SIGHUP)
        server.wait_for_log("every process is new")
        expect_dropped(ask(server))
        server.stop()


@pytest.mark.parametrize("more", [[], ["--processes=2"]], ids=str)
def test_a_port_that_only_root_may_bind(site: Path, more: list[str]) -> None:
    first = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if first.exists() and int(first.read_text()) < 2:
        pytest.skip("everybody may bind every port here")
    with socket.socket() as sock:
        port = next(port for port in range(1, 1024) if is_free(sock, port))
    with users.server_of(site, USER, *more, f"--listen=127.0.0.1:{port}", "who:app") as server:
        server.wait_for_addresses(1)
        assert server.address == ("127.0.0.1", port)
        expect_dropped(ask(server))
        server.stop()


def is_free(sock: socket.socket, port: int) -> bool:
    try:
        sock.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("more", [[], ["--processes=1", "--control=ctl"]], ids=str)
def test_files_that_root_makes(site: Path, more: list[str]) -> None:
    """The user gets the sockets; the file with the process ID stays root's, and stays."""
    files = ["--unix-socket=socket", "--pid-file=pid", "--access-log=log"]
    with users.server_of(site, USER, *files, *more, "who:app") as server:
        server.wait_for_addresses(1)
        uid = pwd.getpwnam(users.NAME).pw_uid
        assert (site / "socket").stat().st_uid == uid
        if more:
            assert (site / "ctl").stat().st_uid == uid
            assert stat.S_IMODE((site / "ctl").stat().st_mode) == 0o600
        assert (site / "pid").stat().st_uid == 0
        # The directory is root's alone, so root could make this one, too.
        assert (site / "log").stat().st_uid == uid
        assert "whoever renames the log has to make the new one" in server.log
        expect_dropped(ask(server))
        server.stop()
    assert "pid stays (Permission denied); the next start replaces it" in server.log
    with users.server_of(site, USER, *files, *more, "who:app") as server:
        server.wait_for_addresses(1)
        server.stop()


def test_the_access_log_is_reopened_where_the_user_may(site: Path) -> None:
    entry = pwd.getpwnam(users.NAME)
    logs = site / "logs"
    logs.mkdir()
    os.chown(logs, entry.pw_uid, entry.pw_gid)
    with users.server_of(site, USER, "--access-log=logs/log", "who:app") as server:
        server.wait_for_addresses(1)
        (logs / "log").rename(logs / "old")
        server.signal(signal.SIGUSR1)
        eventually((logs / "log").exists, "the new log")
        assert (logs / "log").stat().st_uid == entry.pw_uid
        assert "whoever renames" not in server.log
        server.stop()


def test_root_makes_no_file_where_somebody_else_may_write(site: Path, tmp_path: Path) -> None:
    """A link there could lead to any file of the system."""
    entry = pwd.getpwnam(users.NAME)
    logs = site / "logs"
    logs.mkdir()
    victim = tmp_path / "victim"
    (logs / "log").symlink_to(victim)
    (logs / "dangling").symlink_to(site / "made")
    os.chown(logs, entry.pw_uid, entry.pw_gid)
    for name in ("log", "dangling"):
        assert not identity.can_make(str(logs / name))
        with users.server_of(site, USER, f"--access-log=logs/{name}", "who:app") as server:
            assert server.wait() == 1
            assert f"access_log: {logs / name}: Permission denied" in server.log
    assert not victim.exists()
    assert not (site / "made").exists()


def test_only_sockets_are_given_away(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    user = identity.find(users.NAME, None)
    assert user is not None
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("file", "link"):
        identity.give(str(tmp_path / name), user)
    assert (tmp_path / "file").stat().st_uid == 0
    assert (tmp_path / "link").lstat().st_uid == 0
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "socket"))
    identity.give(str(tmp_path / "socket"), user)
    assert (tmp_path / "socket").stat().st_uid == user.uid


def test_group_and_numbers(site: Path) -> None:
    entry = pwd.getpwnam(users.NAME)
    other = next(each.gr_gid for each in grp.getgrall() if each.gr_gid not in (0, entry.pw_gid))
    arguments = [f"--user={entry.pw_uid}", f"--group={other}", "--env=HOME=/srv"]
    with users.server_of(site, *arguments, "who:app") as server:
        server.wait_for_addresses(1)
        told = ask(server)
        assert set(told["now"]["users"]) == {entry.pw_uid}
        assert set(told["now"]["groups"]) == {other}
        assert told["variables"]["HOME"] == "/srv"  # what the command line says wins
        server.stop()


def test_umask(site: Path) -> None:
    with users.server_of(site, "--umask=027", "--access-log=log", "who:app") as server:
        server.wait_for_addresses(1)
        assert stat.S_IMODE((site / "log").stat().st_mode) == 0o640
        server.stop()


def closed_folder(site: Path) -> list[str]:
    (site / "closed").mkdir(mode=0o700)
    (site / "closed/who.py").write_text(APPLICATION, encoding="utf-8")
    return ["--chdir=closed"]


def closed_module(site: Path) -> list[str]:
    (site / "who.py").chmod(0o600)
    return []


def closed_config(site: Path) -> list[str]:
    (site / "site.toml").touch(mode=0o600)
    return ["--config=site.toml"]


def closed_log(site: Path) -> list[str]:
    (site / "log").touch(mode=0o600)
    return ["--access-log=log"]


def closed_log_config(site: Path) -> list[str]:
    (site / "log.json").touch(mode=0o600)
    return ["--log-config=log.json"]


def closed_spool(site: Path) -> list[str]:
    (site / "spool").mkdir(mode=0o755)
    return [f"--spool-dir={site / 'spool'}"]


@pytest.mark.parametrize("name", ["headwaiter.toml", "pyproject.toml"])
@pytest.mark.parametrize("chdir", ["", "chdir = '.'\n"], ids=["", "chdir"])
def test_root_heeds_no_file_that_it_has_found_and_others_can_change(
    site: Path, name: str, chdir: str
) -> None:
    table = "[tool.headwaiter]\n" if name == "pyproject.toml" else ""
    file = site / name
    file.write_text(f"{table}{chdir}user = '{users.NAME}'\n", encoding="utf-8")
    os.chown(file, pwd.getpwnam(users.NAME).pw_uid, -1)
    with users.server_of(site, "who:app") as server:
        assert server.wait() == 2
        assert f"user: root has found {file}, which others can change, and would" in server.log
    with users.server_of(site, f"--config={name}", "who:app") as server:
        server.wait_for_addresses(1)
        expect_dropped(ask(server))
        server.stop()
    os.chown(file, 0, -1)
    with users.server_of(site, "who:app") as server:
        server.wait_for_addresses(1)
        expect_dropped(ask(server))
        server.stop()


@pytest.mark.parametrize(
    ("mode", "folder_mode", "is_so"),
    [
        (0o644, 0o755, True),
        (0o600, 0o1777, True),  # what root has in a sticky directory stays there
        (0o664, 0o755, False),
        (0o646, 0o755, False),
        (0o644, 0o775, False),
        (0o644, 0o757, False),
    ],
)
def test_whose_a_file_is(site: Path, mode: int, folder_mode: int, is_so: bool) -> None:
    folder = site / "folder"
    folder.mkdir()
    file = folder / "file"
    file.touch()
    link = site / "link"
    link.symlink_to(file)
    file.chmod(mode)
    folder.chmod(folder_mode)
    assert [identity.is_of_root(str(path)) for path in (file, link)] == [is_so, is_so]
    assert not identity.is_of_root(str(folder / "absent"))


@pytest.mark.parametrize("processes", [[], ["--processes=2"], ["--check-config"]], ids=str)
@pytest.mark.parametrize(
    ("close", "message", "status"),
    [
        (
            closed_folder,
            "user: 'nobody' may not read {site}/closed, the current directory: start",
            1,
        ),
        (closed_module, "may not read {site}/who.py", 1),
        (
            closed_config,
            "user: 'nobody' may not read {site}/site.toml, the configuration: each process",
            1,
        ),
        (closed_log, "access_log: {site}/log: Permission denied: this process is user 65534's", 1),
        (closed_log_config, "log_config: {site}/log.json: Permission denied (from --log-conf", 2),
        (closed_spool, "spool_dir: no permission to write in '{site}/spool' (as user 'nobody')", 1),
    ],
)
def test_what_the_user_may_not_read_is_named(
    site: Path, close: Any, message: str, status: int, processes: list[str]
) -> None:
    if pwd.getpwnam(users.NAME).pw_uid != 65534:
        message = message.replace("65534", str(pwd.getpwnam(users.NAME).pw_uid))
    with users.server_of(site, USER, *processes, *close(site), "who:app") as server:
        assert server.wait() == status
        assert message.format(site=site) in server.log
        assert "Traceback" not in server.log or close is closed_module
    assert not (site / "socket").exists()


def test_a_trial_leaves_nothing_behind(site: Path) -> None:
    arguments = ["--unix-socket=socket", "--pid-file=pid", "--control=ctl", "--access-log=log"]
    argv = [USER, "--check-config", *arguments, "who:app"]
    with users.server_of(site, *argv) as server:
        assert server.wait() == 0, server.log
        assert server.log == ""
    assert {path.name for path in site.iterdir()} <= {"who.py", "__pycache__"}


def test_modules_are_not_imported_as_root_from_a_directory_of_the_user(site: Path) -> None:
    entry = pwd.getpwnam(users.NAME)
    os.chown(site, entry.pw_uid, entry.pw_gid)
    for shadow in ("signal", "json", "socket", "argparse", "select", "logging"):
        (site / f"{shadow}.py").write_text(f"open('{site}/caught', 'w')", encoding="utf-8")
    with users.server_of(site, USER, "--processes=1", "--control=ctl", "who:app") as server:
        server.wait_for_addresses(1)
        expect_dropped(ask(server))
        server.signal(signal.SIGUSR2)  # and the trial of an upgrade
        server.wait_for_log("every process is new")
        server.stop()
    assert not (site / "caught").exists()


def test_who_is_not_root_stays_who_it_is(site: Path) -> None:
    entry = pwd.getpwnam(users.NAME)
    as_user = f"import os; os.setgroups([]); os.setgid({entry.pw_gid}); os.setuid({entry.pw_uid});"
    os.chown(site, entry.pw_uid, entry.pw_gid)
    for user, status in ((users.NAME, 0), ("root", 1)):
        argv = [f"--user={user}", "--check-config", "--unix-socket=socket", "who:app"]
        code = as_user + users.RUN
        command = users.command(sys.executable, "-c", code, *argv)
        with ServerProcess(command, {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, site, ()) as it:
            assert it.wait() == status, it.log
            if status:
                assert "user: only root can become 'root', and this process runs as" in it.log


def test_a_python_that_only_root_may_read(site: Path) -> None:
    """As below ``/root``: modules that are imported later would be missing."""
    if not users.closed():
        pytest.skip("everybody may read this Python")
    for more in ([], ["--processes=2"], ["--check-config"]):
        argv = [sys.executable, "-c", users.RUN, USER, "--listen=127.0.0.1:0", *more, "who:app"]
        with ServerProcess(argv, environment(), site, ()) as server:
            assert server.wait() == 1
            assert server.log.startswith(f"headwaiter: user: '{users.NAME}' may not read ")
            assert f", since it may not enter {users.closed()[0]}\n" in server.log


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--user=nonesuch"], "user: there is no user 'nonesuch' on this system"),
        (["--group=nonesuch"], "group: there is no group 'nonesuch' on this system"),
        (["--user=4000000000"], "user: 4000000000 is in no user database, so its group is unknown"),
        (["--user=4294967295", "--group=1"], "user and group: 4294967295 is too high"),
        (["--user=a:b"], "user: expected the name or number of a user, got 'a:b' (from --user)"),
        (["--umask=888"], "umask: expected octal digits as a string, got '888' (from --umask)"),
        (["--umask=1777"], "umask: expected octal digits as a string, from 0 to 777, got '1777'"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str) -> None:
    result = run_cli(*arguments, "--listen=127.0.0.1:0", "tests.support.apps:hello")
    assert result.returncode == 2
    assert result.stderr.startswith(f"headwaiter: {message}")


@pytest.mark.parametrize("name", ["user", "group", "umask"])
def test_programs_change_their_process_themselves(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: only for the command line"):
        create_server(hello, listen="127.0.0.1:0", **{name: "0"})  # type: ignore[arg-type]

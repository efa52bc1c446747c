"""Starts that newcomers get wrong. Each ends at once, with one message that says what to write.

``first_mistakes.py`` has the messages as a user sees them, whole. No start leaves a server that
answers 500 to everything, and no message has a traceback of the server.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.package.first_mistakes import APP, APPLICATIONS, FILES, OTHERS, Mistake
from tests.support import users
from tests.support.process import environment
from tests.support.target import headwaiter_only

pytestmark = headwaiter_only("its messages are others")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def taken() -> Iterator[int]:
    """A port on which this process listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


def run(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", users.RUN, *arguments],
        cwd=folder,
        env=environment(**env, PWD=str(folder)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def check(project: Path, mistake: Mistake, *more: str) -> None:
    found = run(project, *more, *mistake.arguments)
    stderr = re.sub(r"\n +[\^~]+(?=\n)", "", found.stderr)  # Python 3.11 and later mark the place
    names = {
        "here": project,
        "python": sysconfig.get_path("stdlib"),
        "executable": sys.executable,
        "pid": os.getpid(),
    }
    message = mistake.message
    for name, value in names.items():
        message = message.replace(f"{{{name}}}", str(value))
    assert (found.returncode, stderr) == (mistake.status, f"headwaiter: {message}\n")
    assert found.stdout == "" or "--check-config" in more


@pytest.mark.parametrize("mistake", APPLICATIONS.values(), ids=APPLICATIONS)
def test_applications(project: Path, mistake: Mistake) -> None:
    check(project, mistake, "--listen=127.0.0.1:0")


@pytest.mark.skipif(sys.platform == "win32", reason="one process there")
@pytest.mark.parametrize(
    "name",
    ["no such module", "an ASGI application", "a syntax error", "a program", "a name of Python's"],
)
@pytest.mark.parametrize("more", ["--processes=2", "--check-config"])
def test_applications_in_a_child_and_in_a_trial(project: Path, name: str, more: str) -> None:
    check(project, APPLICATIONS[name], "--listen=127.0.0.1:0", more)


@pytest.mark.parametrize("mistake", OTHERS.values(), ids=OTHERS)
def test_others(project: Path, mistake: Mistake) -> None:
    (project / "running.pid").write_text(f"{os.getpid()}\n", encoding="ascii")
    if sys.platform == "win32" and "socket" in "".join(mistake.arguments):
        pytest.skip("no Unix sockets")
    check(project, mistake)


def test_an_option_of_another_server(project: Path) -> None:
    found = run(project, "--worker-class=gevent", "shop:app")
    assert found.returncode == 2
    assert found.stderr.startswith("headwaiter: no such option: --worker-class")


def test_a_configuration_that_is_no_toml(project: Path) -> None:
    found = run(project, "--config=bad.toml", "shop:app")
    assert found.returncode == 2
    assert found.stderr.startswith("headwaiter: bad.toml: TOML parse error at line 1, column 11\n")


def test_an_interrupt(project: Path) -> None:
    found = run(project, "--listen=127.0.0.1:0", "interrupts:app")
    assert (found.returncode, found.stderr) == (130, "headwaiter: interrupted\n")


@pytest.mark.parametrize("more", [[], ["--processes=2"], ["--check-config"]], ids=str)
def test_a_port_in_use(project: Path, taken: int, more: list[str]) -> None:
    if sys.platform == "win32" and "--processes=2" in more:
        pytest.skip("one process there")
    found = run(project, f"--listen=127.0.0.1:{taken}", *more, "shop:app")
    assert found.returncode == 1
    by = rf" by process {os.getpid()} \(.+\)\. Stop it"
    by = by if sys.platform == "linux" else r"\. Stop what uses it"
    message = rf"cannot listen on 127\.0\.0\.1:{taken}: Address already in use{by}, or listen"
    match = re.fullmatch(
        rf"headwaiter: {message} elsewhere: --listen=127.0.0.1:(\d+)\n", found.stderr
    )
    assert match, found.stderr
    assert int(match[1]) > taken or match[1] == "0"


def test_the_port_of_the_admin_endpoint_in_use(project: Path, taken: int) -> None:
    found = run(project, "--listen=127.0.0.1:0", f"--admin=127.0.0.1:{taken}", "shop:app")
    assert found.returncode == 1
    assert "listen elsewhere: --admin=127.0.0.1:" in found.stderr


def test_django_without_its_settings(project: Path) -> None:
    pytest.importorskip("django")
    found = run(project, "--listen=127.0.0.1:0", "django_app")
    assert found.returncode == 1
    lines = found.stderr.splitlines()
    assert lines[:3] == [
        "headwaiter: 'django_app' failed to load",
        "Traceback (most recent call last):",
        f'  File "{project / "django_app.py"}", line 3, in <module>',
    ]
    assert lines[-1] == (
        "DJANGO_SETTINGS_MODULE is not set: write --env DJANGO_SETTINGS_MODULE=mysite.settings, or"
        " name the module of get_wsgi_application(), such as mysite.wsgi, which sets it"
    )
    assert "headwaiter/" not in found.stderr


@pytest.mark.parametrize("active", [True, False])
def test_another_virtual_environment(project: Path, tmp_path: Path, active: bool) -> None:
    """The package is in the environment of the project, and headwaiter runs in another one."""
    made = (tmp_path if active else project) / ".venv"
    library = "Lib" if sys.platform == "win32" else "lib/python3.9"
    (made / library / "site-packages/flask_of_tomorrow").mkdir(parents=True)
    (made / "pyvenv.cfg").touch()
    env = {"VIRTUAL_ENV": str(made)} if active else {}
    try:
        found = run(project, "--listen=127.0.0.1:0", "needs:app", **env)
    finally:
        (made / "pyvenv.cfg").unlink()
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1] == (
        f"{made} has 'flask_of_tomorrow', but headwaiter runs in {sys.prefix}: install headwaiter"
        f" in {made}, too, and start that one"
    )


def test_an_environment_that_is_active_in_vain(project: Path, tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").touch()
    found = run(project, "--listen=127.0.0.1:0", "needs:app", VIRTUAL_ENV=str(tmp_path))
    assert found.stderr.splitlines()[-1] == (
        f"the active virtual environment is {tmp_path}, but headwaiter runs in {sys.prefix}"
    )


def test_a_port_for_root_and_a_file_for_root() -> None:
    """As another user, since root may do both."""
    users.need_another_user()
    import pwd

    user = pwd.getpwnam(users.NAME)
    become = f"import os; os.setgroups([]); os.setgid({user.pw_gid}); os.setuid({user.pw_uid}); "
    first = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    with users.folder() as folder:
        (folder / "shop.py").write_text(APP, encoding="utf-8")
        (folder / "closed.toml").touch(mode=0o600)
        for arguments, status, message in (
            (["--config=closed.toml"], 2, "closed.toml: Permission denied\nSee headwaiter --help."),
            (["--unix-socket=sock"], 1, f"cannot listen on {folder}/sock: Permission denied: this"),
            (["--listen=127.0.0.1:80"], 1, "127.0.0.1:80: Permission denied: ports below 1024 are"),
        ):
            if status == 1 and "80" in arguments[0] and first.read_text() != "1024\n":
                continue
            argv = users.command(sys.executable, "-c", become + users.RUN, *arguments, "shop:app")
            ran = subprocess.run(
                argv, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60
            )
            assert ran.returncode == status
            assert message in ran.stderr

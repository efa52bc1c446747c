"""The command line: messages and exit statuses of everything that ends before serving."""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwaiter import __version__, cli
from headwaiter._process import exits
from headwaiter._settings.casts import LEVEL, THREADS

APPLICATION = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]

def make():
    return app

def fail():
    raise RuntimeError("no database")

not_callable = 5
"""


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current directory has an application that no test before has imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", sys.path[:])
    (tmp_path / "project.py").write_text(APPLICATION)
    monkeypatch.delitem(sys.modules, "project", raising=False)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("headwaiter")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.run(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--thraeds=8", "project:app"], "no such option: --thraeds; did you mean '--threads'?"),
        (["--xyzzy", "project:app"], "no such option: --xyzzy"),
        (["-x", "project:app"], "no such option: -x"),
        (["--no-ipv", "project:app"], "ambiguous option: --no-ipv could match"),
        (["--threads"], "argument -t/--threads: expected one argument"),
        (["--threads=x", "project:app"], f"threads: expected {THREADS.noun}, got 'x' (from --thr"),
        (
            ["--port=0", "--listen=*:0", "project:app"],
            "--port may not be set if --listen is set; --listen takes HOST:PORT",
        ),
        (["--listen=name.invalid:1", "project:app"], "cannot listen on 'name.invalid:1': "),
        (["--config=absent.toml", "project:app"], "absent.toml: No such file or directory"),
        (["--log-level=loud", "project:app"], f"log_level: expected {LEVEL.noun}, got 'loud' (fr"),
        (["--log-config=/absent.ini", "project:app"], "log_config: /absent.ini: No such file or "),
        (["project:app", "project:make"], "one application only"),
        (["--app=project:app", "project:make"], "one application only"),
        ([], "name the application to serve: MODULE:OBJECT"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert err.startswith(f"headwaiter: {message}")
    assert err.endswith("\nSee headwaiter --help.\n")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("projet:app", "no module named 'projet' (searched from {cwd}); did you mean 'project'?"),
        ("project.sub:app", "no module named 'project.sub' (searched from {cwd})"),
        ("project:ap", "'project' has no attribute 'ap'; did you mean 'app'?"),
        ("project:app.inner", "'app' has no attribute 'inner'"),
        ("project.ap", "'project' has no attribute 'ap'; did you mean 'app'?"),
        ("project:not_callable", "'project:not_callable' is not callable: it is of type int"),
        (":app", "':app' is not of the form MODULE:OBJECT"),
        ("a-b:app", "'a-b:app' is not of the form MODULE:OBJECT"),
    ],
)
def test_no_such_application(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, spec: str, message: str
) -> None:
    assert run(capsys, spec) == (1, "", f"headwaiter: {message.format(cwd=tmp_path)}\n")


@pytest.mark.parametrize(
    ("source", "last_line"),
    [
        ("import nonesuch", "ModuleNotFoundError: No module named 'nonesuch'"),
        ("import project.nonesuch", "ModuleNotFoundError: No module named 'project.nonesuch'"),
        ("raise KeyError('x')", "KeyError: 'x'"),
        ("def app(:", "SyntaxError: invalid syntax"),
    ],
)
def test_application_that_fails_to_load_shows_its_own_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str, last_line: str
) -> None:
    path = tmp_path / "project.py"
    path.write_text(source)
    status, _, err = run(capsys, "project:app")
    assert status == 1
    assert err.startswith("headwaiter: 'project:app' failed to load\n")
    assert any(line.startswith(last_line) for line in err.splitlines()[-2:])
    files = re.findall(r'File "([^"]+)"', err)
    assert files[0] == str(path)


def test_factory_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "--call", "project:fail")
    assert status == 1
    assert err.endswith("RuntimeError: no database\n")
    assert len(re.findall("File ", err)) == 1


def test_factory_that_makes_no_application(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--call", "project:not_callable")[0] == 1
    status, _, err = run(capsys, "--call", "builtins:list")
    assert status == 1
    assert err == (
        "headwaiter: what 'builtins:list' returned is not callable: it is of type list\n"
    )


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--help")
    assert status == 0
    assert "--threads N" in out
    assert "HEADWAITER_THREADS" in out
    status, out, _ = run(capsys, "--version")
    assert status == 0
    assert out.startswith(f"headwaiter {__version__}, ")


def test_check_config(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my.toml").write_text("backlog = 9\n")
    monkeypatch.setenv("HEADWAITER_IDENT", "me")
    arguments = ["--config=my.toml", "--listen=127.0.0.1:0", "--listen=127.0.0.2:0"]
    status, out, _ = run(capsys, *arguments, "--check-config", "project:app")
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert status == 0
    assert lines["backlog"] == ["9", "file", "my.toml"]
    assert lines["ident"] == ["me", "environment", "HEADWAITER_IDENT"]
    assert lines["listen"] == ["127.0.0.1:0", "127.0.0.2:0", "argument", "--listen"]
    assert lines["unix_socket_perms"] == ["600", "default"]
    assert lines["url_prefix"] == ["''", "default"]


STARTS: list[tuple[list[str], int, str]] = [
    ([], 2, "name the application to serve: MODULE:OBJECT"),
    (["--access-log-format=%(nonsense)s", "project:app"], 1, "access_log_format: "),
    (["project:absent"], 1, "'project' has no attribute 'absent'"),
    (["absent:app"], 1, "no module named 'absent'"),
    (["project:not_callable"], 1, "'project:not_callable' is not callable"),
    (["--call", "project:fail"], 1, "RuntimeError: no database"),
    (["--listen=127.0.0.1:99999", "project:app"], 2, "port out of range"),
    (["--listen=no host:80", "project:app"], 2, "cannot listen on"),
    (["--listen=127.0.0.1:{taken}", "project:app"], 1, "cannot listen on 127.0.0.1:{taken}: Addr"),
    (["--admin=127.0.0.1:{taken}", "project:app"], 1, "cannot listen on 127.0.0.1:{taken}: Addr"),
    (["--listen=192.0.2.1:80", "project:app"], 1, "cannot listen on 192.0.2.1:80: "),
    (["--access-log=absent/log", "project:app"], 1, "access_log: "),
    (["--access-log=.", "project:app"], 1, "access_log: "),
    (["--unix-socket=absent/socket", "project:app"], 1, "/absent/socket: No such file"),
    (["--unix-socket=project.py", "project:app"], 1, "project.py: exists and is not a socket"),
    (["--log-config=absent.json", "project:app"], 2, "absent.json"),
    (["--user=nonesuch", "project:app"], 2, "user: "),
    (["--group=nonesuch", "project:app"], 2, "group: "),
    (["--chdir=absent", "project:app"], 2, "--chdir: absent: "),
    (["--pid-file=absent/pid", "project:app"], 1, "pid_file: {cwd}/absent/pid: No such file"),
    (["--control=absent/ctl", "project:app"], 1, "control: {cwd}/absent/ctl: No such file"),
]


@pytest.mark.parametrize("check", [["--check-config"], []], ids=["check", "start"])
@pytest.mark.parametrize(("arguments", "status", "message"), STARTS)
def test_check_config_exits_as_a_start_would(
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    message: str,
    check: list[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        taken = str(sock.getsockname()[1])
        arguments = [argument.replace("{taken}", taken) for argument in arguments]
        if not any("listen" in a or "unix" in a for a in arguments):
            arguments.append("--listen=127.0.0.1:0")
        got, _, err = run(capsys, *check, *arguments)
    message = message.replace("{taken}", taken).replace("{cwd}", os.getcwd())
    assert (got, message in err) == (status, True), err


@pytest.mark.parametrize("application", [["project:app"], ["--call", "project:make"]])
def test_check_config_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, application: list[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    for where in (f"--listen=127.0.0.1:{port}", "--unix-socket=socket"):
        arguments = ["--check-config", "--access-log=log", "--admin=./admin", where]
        arguments += ["--pid-file=pid", "--control=ctl"]
        assert run(capsys, *arguments, *application)[::2] == (0, "")
    socket.create_server(("127.0.0.1", port)).close()
    assert {path.name for path in tmp_path.iterdir()} <= {"project.py", "__pycache__"}


def test_log_config_in_each_format(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text('{"version": 1, "loggers": {"headwaiter": {"level": 11}}}')
    (tmp_path / "log.toml").write_text("version = 1\nloggers.headwaiter.level = 12\n")
    (tmp_path / "log.ini").write_text(
        "[loggers]\nkeys=root,ours\n[handlers]\nkeys=\n[formatters]\nkeys=\n"
        "[logger_root]\nhandlers=\n[logger_ours]\nqualname=headwaiter\nlevel=ERROR\nhandlers=\n"
    )
    for name, level in (("log.json", 11), ("log.toml", 12), ("log.ini", logging.ERROR)):
        run(capsys, f"--log-config={name}", "absent:app")
        assert logging.getLogger("headwaiter").level == level
    run(capsys, "--log-config=log.ini", "--log-level=Debug", "absent:app")
    assert logging.getLogger("headwaiter").level == logging.DEBUG


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("log.ini", "[loggers]\nkeys=root\n", "log.ini: 'formatters' is missing"),
        (
            "log.json",
            '{"version": 1, "handlers": {"h": {"class": "absent.Handler"}}}',
            "handler 'h': .*absent",
        ),
    ],
)
def test_log_config_that_is_wrong(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, text: str, says: str
) -> None:
    (tmp_path / name).write_text(text)
    status, _, err = run(capsys, f"--log-config={name}", "absent:app")
    assert status == exits.USAGE
    assert re.search(says, err), err

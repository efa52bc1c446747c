"""Configuration files: which one is read, what it may say, and that all processes see the same."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from headwaiter import Adjustments
from headwaiter._settings import files
from tests.support.process import ServerProcess, start_server

from .command import run

PROCESSES = pytest.mark.skipif(sys.platform == "win32", reason="one process there")
TELLING = """
import json
import os
import sys


def app(environ, start_response):
    told = {
        "threads": environ["wsgi.multithread"],
        "cwd": os.getcwd(),
        "given": os.environ.get("GIVEN"),
        "path": sys.path[:2],
    }
    body = json.dumps(told).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, list[str]]:
    """What ``--check-config`` says of each adjustment."""
    status, out, err = run(capsys, "--check-config", *arguments, "project:app")
    assert (status, err) == (0, "")
    return {line.split()[0]: line.split()[1:] for line in out.splitlines()}


@pytest.fixture
def sources(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every file that may be read, each with its own number of threads."""
    (project / "pyproject.toml").write_text("[tool.headwaiter]\nthreads = 11\nport = 0\n")
    (project / "headwaiter.toml").write_text("threads = 12\nport = 0\n")
    (project / "variable.toml").write_text("threads = 13\nport = 0\n")
    (project / "flag.toml").write_text("[headwaiter]\nthreads = 14\nport = 0\n[other]\nx = 1\n")
    monkeypatch.setenv("HEADWAITER_CONFIG", "variable.toml")
    return project


def test_which_file_is_read(
    capsys: pytest.CaptureFixture[str], sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown(capsys, "-c", "flag.toml")["threads"] == ["14", "file", "flag.toml"]
    assert shown(capsys)["threads"] == ["13", "file", "variable.toml"]
    assert shown(capsys, "--no-config", "--port=0")["threads"] == ["4", "default"]
    monkeypatch.delenv("HEADWAITER_CONFIG")
    assert shown(capsys)["threads"] == ["12", "file", "headwaiter.toml"]
    (sources / "headwaiter.toml").unlink()
    assert shown(capsys)["threads"] == ["11", "file", "pyproject.toml"]
    assert shown(capsys, "-c", "pyproject.toml")["threads"] == ["11", "file", "pyproject.toml"]
    assert shown(capsys, "--no-config", "--port=0")["threads"] == ["4", "default"]


def test_of_two_files_that_are_found_one_is_named_as_not_read(
    sources: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("HEADWAITER_CONFIG")
    for _ in range(2):
        assert files.chosen(None).where == "headwaiter.toml"
    text = "headwaiter.toml is read, [tool.headwaiter] in pyproject.toml is not"
    assert [record.getMessage() for record in caplog.records] == [text]


@pytest.mark.parametrize(
    "text",
    ["[project]\nname = 'x'\n", "broken [", "# no [tool.headwaiter] here\n", "tool = 5\n"],
)
def test_a_pyproject_of_others_is_their_affair(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(text)
    assert files.chosen(None) == files.NO_FILE


def test_a_directory_of_the_name_is_no_file(project: Path) -> None:
    (project / "headwaiter.toml").mkdir()
    (project / "pyproject.toml").mkdir()
    assert files.chosen(None) == files.NO_FILE


@pytest.mark.parametrize("name", ["headwaiter.toml", "pyproject.toml"])
def test_a_file_that_may_not_be_read(
    capsys: pytest.CaptureFixture[str],
    project: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(path: str, **_options: object) -> None:  # root would read the file
        number = errno.EACCES if path == name else errno.ENOENT
        raise OSError(number, os.strerror(number), path)

    (project / name).touch()
    monkeypatch.setattr(files, "open", refused, raising=False)
    assert run(capsys, "--check-config", "--port=0", "project:app")[::2] == (
        2,
        f"headwaiter: {name}: Permission denied\nSee headwaiter --help.\n",
    )


def test_a_program_reads_no_file_that_it_does_not_name(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "threads = 12\napplication = 'project:app'\nchdir = '/'\nenv = { GIVEN = 'x' }\n"
    (project / "headwaiter.toml").write_text(text)
    assert Adjustments().threads == 4
    assert Adjustments().config_file == ""
    found = Adjustments(config="headwaiter.toml")
    assert (found.threads, found.config_file) == (12, str(project / "headwaiter.toml"))
    said = "headwaiter.toml: chdir, env: only the headwaiter command heeds this"
    assert [record.getMessage() for record in caplog.records] == [said]
    assert "GIVEN" not in os.environ
    assert os.getcwd() == str(project)


def test_the_application_in_the_file(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    path = project / "headwaiter.toml"
    path.write_text("application = 'project:app'\nlisten = '127.0.0.1:0'\n")
    assert run(capsys, "--check-config").status == 0
    path.write_text("application = 'project:make'\nlisten = '127.0.0.1:0'\n")
    assert run(capsys, "--check-config", "--factory").status == 0
    path.write_text("application = 'absent:app'\nlisten = '127.0.0.1:0'\n")
    assert "no module named 'absent'" in run(capsys, "--check-config").err
    assert run(capsys, "--check-config", "project:app").status == 0  # the argument wins


@PROCESSES
def test_ctl_finds_the_server_of_the_file(
    capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    (project / "headwaiter.toml").write_text("control = 'absent/ctl'\n")
    assert run(capsys, "ctl", "status")[::2] == (
        1,
        "headwaiter ctl: absent/ctl: No such file or directory\n",
    )


@pytest.mark.parametrize("how", ["flag", "file"])
def test_another_directory(
    capsys: pytest.CaptureFixture[str],
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    """With the flag, the file is looked for there; the file itself leads there from here."""
    inner = project / "inner"
    inner.mkdir()
    (project / "project.py").rename(inner / "project.py")
    text = "listen = '127.0.0.1:0'\nunix_socket_perms = '660'\naccess_log = 'a.log'\n"
    if how == "flag":
        (inner / "headwaiter.toml").write_text(text)
        found = shown(capsys, "--chdir=inner")
    else:
        (project / "headwaiter.toml").write_text(f"{text}chdir = 'inner'\n")
        found = shown(capsys)
    assert found["unix_socket_perms"][:2] == ["660", "file"]
    assert found["access_log"][0] == str(inner / "a.log")
    assert os.getcwd() == os.environ["PWD"] == str(inner)


def test_variables_and_import_path(
    capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIVEN", "outside")
    monkeypatch.setenv("HEADWAITER_THREADS", "3")
    for folder, source in (("one", "import two_of_them as it"), ("two", "")):
        (project / folder).mkdir()
        text = f"import os\n{source}\n" + (project / "project.py").read_text()
        (project / folder / f"{folder}_of_them.py").write_text(text)
    (project / "headwaiter.toml").write_text(
        "env = { GIVEN = 'file', NUMBER = 5, HEADWAITER_THREADS = '7' }\n"
        "pythonpath = ['two']\nlisten = '127.0.0.1:0'\n"
    )
    arguments = ["--env=GIVEN=flag", "--env", "EMPTY=", "--pythonpath=one", "--check-config"]
    status, out, _ = run(capsys, *arguments, "one_of_them:app")
    assert status == 0
    assert [os.environ[name] for name in ("GIVEN", "NUMBER", "EMPTY")] == ["flag", "5", ""]
    assert "HEADWAITER_THREADS" in next(line for line in out.splitlines() if "threads " in line)
    assert sys.path[:2] == [str(project / "one"), str(project / "two")]
    assert "two_of_them" in sys.modules
    for name in ("NUMBER", "EMPTY"):
        monkeypatch.delenv(name)


def told(server: ServerProcess) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(server.ask("/").body)
    return answer


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=PROCESSES)])
@pytest.mark.parametrize("name", ["headwaiter.toml", "pyproject.toml"])
def test_the_start_names_the_file_that_was_found(tmp_path: Path, name: str, processes: int) -> None:
    table = "[tool.headwaiter]\n" if name == "pyproject.toml" else ""
    (tmp_path / "telling.py").write_text(TELLING)
    (tmp_path / name).write_text(f"{table}application = 'telling:app'\nenv = {{ GIVEN = 'x' }}\n")
    with start_server("telling:app", cwd=tmp_path, processes=processes) as server:
        server.wait_for_log(f"Settings are from {tmp_path / name}\n")
        assert told(server)["given"] == "x"
        server.stop()
        assert server.log.count("Settings are from") == 1


@PROCESSES
@pytest.mark.parametrize("how", ["flag", "file"])
def test_children_see_the_file_and_the_directory_of_the_parent(tmp_path: Path, how: str) -> None:
    """They start in the directory that the parent has entered, also after a reload."""
    inner = tmp_path / "inner"
    (inner / "lib").mkdir(parents=True)
    (inner / "lib" / "telling.py").write_text(TELLING)
    (inner / "inner").mkdir()  # to enter twice would succeed
    path = (inner if how == "flag" else tmp_path) / "headwaiter.toml"
    text = "env = {{ GIVEN = '{}' }}\npythonpath = 'lib'\n"
    text += "" if how == "flag" else "chdir = 'inner'\n"
    path.write_text(text.format("before"))
    more: dict[str, Any] = {"chdir": "inner"} if how == "flag" else {}
    with start_server("telling:app", cwd=tmp_path, processes=2, **more) as server:
        server.wait_for_log(f"Settings are from {path}\n")
        before = told(server)
        path.write_text(text.format("after"))
        server.signal(signal.SIGHUP)
        server.wait_for_log("every process is new")
        server.disconnect()
        after = told(server)
        server.stop()
    assert (before["given"], after["given"]) == ("before", "after")
    for each in (before, after):
        assert each["cwd"] == str(inner)
        assert each["path"][0] == str(inner / "lib")

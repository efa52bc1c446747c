"""``--chdir``, ``--env`` and ``--pythonpath``: what surrounds an application."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from headwaiter._process import surroundings
from tests.support import users
from tests.support.process import ServerProcess, environment
from tests.support.target import headwaiter_only

pytestmark = headwaiter_only("it has no such options")

APPLICATION = """
import json
import os

import helper

LOADED = os.environ.get("COLOUR")

def app(environ, start_response):
    told = [os.getcwd(), os.environ.get("PWD"), LOADED, helper.__file__, environ["SERVER_SOFTWARE"]]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
"""
PROCESSES = pytest.mark.parametrize(
    "processes", [[]] if sys.platform == "win32" else [[], ["--processes=2"]], ids=str
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with an application, its helper, and another one elsewhere."""
    folder = tmp_path / "site"
    for name in ("", "lib"):
        (folder / name).mkdir()
        (folder / name / "helper.py").touch()
    (folder / "where.py").write_text(APPLICATION, encoding="utf-8")
    return folder


def serve(folder: Path, *arguments: str, **env: str) -> ServerProcess:
    argv = [sys.executable, "-c", users.RUN, "--listen=127.0.0.1:0", *arguments, "where:app"]
    server = ServerProcess(argv, environment(PWD=str(folder), **env), folder, ())
    try:
        server.wait_for_addresses(1)
    except BaseException:
        server.kill()
        raise
    return server


def ask(server: ServerProcess) -> list[Any]:
    told: list[Any] = json.loads(server.ask().body)
    return told


@PROCESSES
def test_everything_relative_starts_at_the_new_directory(site: Path, processes: list[str]) -> None:
    (site / "site.toml").write_text("ident = 'me'", encoding="utf-8")
    arguments = ["--chdir=site", "--config=site.toml", "--pythonpath=lib", "--access-log=log"]
    with serve(site.parent, *arguments, *processes) as server:
        helper = site / "lib" / "helper.py"
        assert ask(server) == [str(site), str(site), None, str(helper), "me"]
        server.stop()
    assert (site / "log").exists()


@PROCESSES
def test_variables(site: Path, processes: list[str]) -> None:
    env = ["--env=COLOUR=green=ish", "--env", "HEADWAITER_IDENT=named", *processes]
    with serve(site, *env, COLOUR="red") as server:
        assert ask(server)[2:] == ["green=ish", str(site / "helper.py"), "named"]
        server.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="no parent there")
def test_a_reload_follows_the_link(site: Path, tmp_path: Path) -> None:
    """As a deployment moves it: the directory has the name that the command line gives it."""
    (tmp_path / "next").mkdir()
    for name in ("where.py", "helper.py"):
        (tmp_path / "next" / name).write_bytes((site / name).read_bytes())
    current = tmp_path / "current"
    current.symlink_to(site)
    with serve(tmp_path, "--chdir=current", "--processes=1", "--control=../ctl") as server:
        assert ask(server)[:2] == [str(site), str(current)]
        current.unlink()
        current.symlink_to(tmp_path / "next")
        server.signal(signal.SIGHUP)
        server.wait_for_log("every process is new")
        assert ask(server)[:2] == [str(tmp_path / "next"), str(current)]
        server.stop()


@PROCESSES
def test_a_module_of_the_project_does_not_replace_pythons(site: Path, processes: list[str]) -> None:
    """Not under the server, which imports many; nor for the application, unless it asks for it."""
    for name in ("json", "signal", "socket", "select", "html", "dis", "queue"):
        (site / f"{name}.py").write_text("raise SystemExit('caught')", encoding="utf-8")
    with serve(site, "--admin=127.0.0.1:0", *processes) as server:
        assert ask(server)[0] == str(site)
        server.stop()


@PROCESSES
def test_pythonpath_comes_before_pythons_own_modules(site: Path, processes: list[str]) -> None:
    (site / "lib" / "calendar.py").write_text("WHERE = 'lib'", encoding="utf-8")
    application = "import calendar\n" + APPLICATION.replace("helper.__file__", "calendar.WHERE")
    (site / "where.py").write_text(application, encoding="utf-8")
    with serve(site, "--pythonpath=absent", "--pythonpath=lib", *processes) as server:
        assert ask(server)[3] == "lib"
        server.stop()


def test_the_name_of_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    surroundings.enter("link")
    assert os.getcwd() == str(tmp_path / "real")
    assert surroundings.logical_directory() == str(tmp_path / "link")
    surroundings.enter("sub")
    assert surroundings.logical_directory() == str(tmp_path / "link/sub")
    surroundings.enter(str(tmp_path))
    assert surroundings.logical_directory() == str(tmp_path)
    monkeypatch.setenv("PWD", "/nowhere")
    assert surroundings.logical_directory() == str(tmp_path)


@pytest.mark.parametrize("text", ["", "NAME", "=value"])
def test_what_is_no_variable(text: str) -> None:
    with pytest.raises(ValueError, match="expected NAME=VALUE, got"):
        surroundings.set_variables([text])

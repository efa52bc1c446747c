"""What ``docs/recipes/pyramid.md`` says: ``pserve``, with a reload, and several processes."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.support.process import ROOT, ServerProcess, start_server
from tests.support.target import headwaiter_only
from tests.support.waiting import eventually

from .projects import run, start

pytest.importorskip("pyramid")
pytestmark = headwaiter_only("the recipes are for headwaiter")

# What the recipe says to write.
WSGI = """
from pyramid.paster import get_app, setup_logging

setup_logging("development.ini")
application = get_app("development.ini")
"""
PSERVE = ["-m", "pyramid.scripts.pserve", "development.ini"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example, on a port that is free, with the recipe's file."""
    example = ROOT / "examples" / "pyramid_app"
    shutil.copy(example / "pyramid_app.py", tmp_path)
    ini = (example / "development.ini").read_text(encoding="utf-8")
    ini = re.sub(r"(?m)^listen = .*$", "listen = 127.0.0.1:0", ini)
    (tmp_path / "development.ini").write_text(ini, encoding="utf-8")
    (tmp_path / "wsgi.py").write_text(WSGI, encoding="utf-8")
    return tmp_path


def greeting(server: ServerProcess) -> str:
    said: str = json.loads(server.ask("/").body)["greeting"]
    return said


def test_settings_are_lines_of_the_section(folder: Path) -> None:
    ini = folder / "development.ini"
    ini.write_text(
        ini.read_text() + "\n[server:other]\nuse = egg:headwaiter\nthreads = 3\n"
        "listen = 127.0.0.1:0\nident = mine\n"
    )
    argv = [*PSERVE, "--server-name=other"]
    with start(*argv, cwd=folder, PYTHONPATH=str(folder)) as server:
        assert greeting(server) == "Good evening"
        assert server.ask("/").header("Server") == "mine"
        server.wait_for_log("3 worker threads")


def test_several_processes_need_a_file(folder: Path) -> None:
    env = {"PYTHONPATH": str(folder)}
    with start_server("wsgi:application", cwd=folder, env=env, processes=2) as server:
        assert greeting(server) == "Good evening"
        server.wait_for_log(r"process 1 \(pid \d+\) is ready")
    ini = folder / "development.ini"
    ini.write_text(ini.read_text().replace("threads = 8", "processes = 2"))
    done = run(*PSERVE, cwd=folder, PYTHONPATH=str(folder))
    assert done.returncode == 1
    assert done.stderr.endswith(
        "ValueError: processes asks for more than this process: start the command line, "
        "headwaiter MODULE:OBJECT, instead\n"
    )


@pytest.mark.slow
def test_pserve_reloads_by_its_own_means(folder: Path) -> None:
    ini = folder / "development.ini"
    argv = [*PSERVE, "--reload", "--reload-interval=1"]
    with start(*argv, cwd=folder, PYTHONPATH=str(folder)) as server:
        try:
            assert greeting(server) == "Good evening"
            ini.write_text(ini.read_text().replace("Good evening", "Good morning"))

            def is_loaded() -> bool:
                os.utime(ini)  # again: the change may have come before the first look
                return server.log.count("Serving on") >= 2

            eventually(is_loaded, "the reload", timeout=30)
            server.addresses.clear()
            server.wait_for_addresses(2)
            server.addresses.reverse()
            assert greeting(server) == "Good morning"
        finally:
            server.stop()

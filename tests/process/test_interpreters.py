"""A short run on every interpreter that has headwaiter installed.

Found are the one that runs the tests, ``FREE_THREADED_PYTHON``, and the virtual
environments that ``make PYTHON=... test`` leaves in the checkout.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.http import chunked, render
from tests.support.process import ROOT, environment, start_server
from tests.support.target import headwaiter_only

# It does not say that it can run without the GIL.
EXTENSION = """
#include <Python.h>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "needs_gil", NULL, 0, NULL};
PyMODINIT_FUNC PyInit_needs_gil(void) { return PyModule_Create(&definition); }
"""
APP = """
import needs_gil

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
"""
ABOUT = """
import json, sys, sysconfig
import headwaiter._headwaiter
gil = getattr(sys, "_is_gil_enabled", lambda: True)()
free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
about = {"version": sys.version_info[:3], "gil": gil, "free_threaded": free_threaded}
print(json.dumps({**about, "include": sysconfig.get_path("include")}))
"""


def interpreters() -> list[str]:
    """Paths, each once; links are kept, since a virtual environment is its link."""
    found = [sys.executable, os.environ.get("FREE_THREADED_PYTHON", "")]
    found += map(str, sorted(ROOT.glob(".venv*/bin/python")))
    return list(dict.fromkeys(path for path in found if path))


def label(path: str) -> str:
    return Path(path).parent.parent.name or path


@pytest.fixture(scope="module", params=interpreters(), ids=label)
def interpreter(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """An interpreter and what it says about itself after importing the extension."""
    path = request.param
    done = subprocess.run(
        [path, "-c", ABOUT],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"headwaiter is not installed for {path}")
    about: dict[str, Any] = json.loads(done.stdout)
    return path, about


@headwaiter_only("about the extension")
def test_import_leaves_the_gil_off(interpreter: tuple[str, dict[str, Any]]) -> None:
    _, about = interpreter
    assert about["gil"] is not about["free_threaded"]


@headwaiter_only("about the extension")
@pytest.mark.parametrize("flags", [(), ("-W", "error"), ("-X", "dev")], ids=" ".join)
def test_serves(interpreter: tuple[str, dict[str, Any]], flags: Iterable[str]) -> None:
    python, about = interpreter
    app = "tests.support.apps:validated"
    with start_server(app, python=python, interpreter_flags=tuple(flags)) as server:
        with server.connect() as client:
            for _ in range(3):
                told = json.loads(client.ask("/", "POST", body=b"body").text)
                assert told["version"] == about["version"]
                assert told["gil"] == about["gil"]
                assert told["echo"] == "body"
            coding = [("Transfer-Encoding", "chunked")]
            client.send(render("/", "POST", coding, chunked(b"a", b"b")))
            assert json.loads(client.reply().text)["echo"] == "ab"
            client.send(b"BAD\r\n\r\n")
            assert client.reply().status == 400
        server.stop()
        assert "Traceback" not in server.log
        assert "Warning" not in server.log


@headwaiter_only("about the extension")
def test_free_threads_run_at_once(interpreter: tuple[str, dict[str, Any]]) -> None:
    """Without the GIL views that burn CPU overlap; with it they take turns. Both must answer."""
    python, _ = interpreter
    with start_server("tests.support.apps:gil", python=python, threads=4) as server:
        clients = [server.connect() for _ in range(4)]
        for number, client in enumerate(clients):
            client.request(f"/spin?seconds=0.2&n={number}")
        for client in clients:
            assert client.reply().body == b"hello"


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
@pytest.mark.parametrize("settings", [{}, {"processes": "auto"}], ids=["one", "processes"])
@pytest.mark.parametrize("warned", ["default", "ignore"])
def test_the_extension_that_turns_the_gil_on_is_named(
    interpreter: tuple[str, dict[str, Any]],
    tmp_path: Path,
    settings: dict[str, Any],
    warned: str,
) -> None:
    python, about = interpreter
    if not about["free_threaded"]:
        pytest.skip("a build with the GIL")
    source = tmp_path / "needs_gil.c"
    source.write_text(EXTENSION, encoding="ascii")
    argv = ["cc", "-shared", "-fPIC", f"-I{about['include']}", str(source), "-o"]
    subprocess.run([*argv, str(tmp_path / "needs_gil.so")], check=True, timeout=60)
    (tmp_path / "site_app.py").write_text(APP, encoding="ascii")
    env = {"PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": warned}
    with start_server("site_app:app", python=python, env=env, **settings) as server:
        server.wait_for_log("WARNING .*the GIL is on: the extension 'needs_gil' does not say")
        assert server.ask("/").body == b"hello"

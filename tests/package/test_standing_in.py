"""``install_as_waitress``, in processes of their own: it changes what ``import`` means."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.support.process import ROOT, ServerProcess, environment


def run(source: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


PROLOGUE = "import headwaiter; headwaiter.install_as_waitress()\n"
APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""


@pytest.mark.parametrize(
    "source",
    [
        "from waitress import serve; assert serve is headwaiter.serve",
        "import waitress; waitress.create_server, waitress.serve_paste",
        "import waitress.server; waitress.server.create_server",
        "from waitress.adjustments import Adjustments; Adjustments(threads='3')",
        "from waitress.channel import ClientDisconnected; raise SystemExit(0)",
        "from waitress.runner import run; assert run(['waitress-serve', '--version']) == 0",
        "from waitress.utilities import logger, queue_logger; assert logger.name == 'waitress'",
        "headwaiter.install_as_waitress()",
        "import importlib.util; assert importlib.util.find_spec('waitress') is not None",
    ],
)
def test_what_is_there(source: str) -> None:
    done = run(PROLOGUE + source)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_not_there_fails_as_an_import() -> None:
    done = run(PROLOGUE + "import waitress.task")
    assert "ModuleNotFoundError: No module named 'waitress.task'" in done.stderr


def test_as_a_module() -> None:
    """What ``python -m waitress`` does, which is the work of runpy."""
    done = run(
        PROLOGUE
        + "import runpy, sys; sys.argv = ['waitress', '--version']\n"
        + "runpy.run_module('waitress', run_name='__main__', alter_sys=True)"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("headwaiter ")


SWITCH = "HEADWAITER_AS_WAITRESS"


def test_switched_on_from_outside() -> None:
    argv = [sys.executable, "-m", "waitress", "--listen=127.0.0.1:0", "tests.support.apps:hello"]
    with ServerProcess(argv, environment(**{SWITCH: "1"}), ROOT, ()) as server:
        server.wait_for_log(" INFO waitress: Serving on ")
        server.wait_for_addresses(1)
        assert server.ask().header("Server") == "headwaiter"
        server.signal(signal.SIGTERM)
        assert server.wait() == 0, server.log


@pytest.mark.parametrize("value", ["", "0", "1"])
def test_the_switch_costs_nothing_unless_it_is_on(value: str) -> None:
    done = run("import sys; print(*sys.modules)", **{SWITCH: value})
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & {"headwaiter", "waitress"} == (
        {"headwaiter", "waitress"} if value == "1" else set()
    )


def test_too_late() -> None:
    done = run("import waitress, headwaiter; headwaiter.install_as_waitress()")
    assert "RuntimeError: install_as_waitress() must come before" in done.stderr


def test_logs_under_the_name_of_waitress() -> None:
    done = run(
        PROLOGUE
        + APP
        + """
import logging, os, signal, threading
logging.basicConfig(level="INFO", format="%(name)s %(message)s")
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
import waitress
waitress.serve(app, listen="127.0.0.1:0")
"""
    )
    assert done.returncode == 0
    assert "waitress Serving on http://127.0.0.1:" in done.stderr
    assert "headwaiter " not in done.stderr


def test_webtest_server_works_unchanged() -> None:
    """WebTest subclasses Waitress' server class and drives its loop itself."""
    pytest.importorskip("webtest")
    done = run(
        "import warnings; warnings.simplefilter('ignore')\n"  # WebTest's own imports warn
        + PROLOGUE
        + APP
        + """
import threading, urllib.request
from webtest.http import StopableWSGIServer
server = StopableWSGIServer.create(app)
assert server.wait()
assert urllib.request.urlopen(server.application_url).read() == b"hello"
server.shutdown()
server.runner.join(10)
assert threading.active_count() == 1, threading.enumerate()
"""
    )
    assert (done.returncode, done.stderr) == (0, "")

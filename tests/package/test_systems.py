"""The Python side on other systems: nothing asks for what Windows or macOS does not have.

The tests run where the suite runs. ``tests/support/elsewhere`` takes away what is not there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.http import TIMEOUT
from tests.support.process import ROOT, ServerProcess, environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it plays the other systems")

HELLO = "tests.support.apps:hello"
LISTEN = "--listen=127.0.0.1:0"
IMPORTED = """
import json, sys
from headwaiter import cli
status = cli.run(sys.argv[1:])
print(json.dumps([status, sorted(sys.modules)]), file=sys.stderr)
"""
SERVING = """
import sys
from headwaiter import cli
sys.exit(cli.run(sys.argv[1:]))
"""


def elsewhere(system: str) -> dict[str, str]:
    folders = (ROOT / "tests/support/elsewhere", ROOT)
    return environment(ELSEWHERE=system, PYTHONPATH=os.pathsep.join(map(str, folders)))


def run(system: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments],
        env=elsewhere(system),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


@pytest.mark.parametrize("system", ["darwin", "win32"])
@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--version"], 0, ""),
        (["--help"], 0, ""),
        (["--check-config", LISTEN, HELLO], 0, ""),
        ([LISTEN, "--reuse-port", HELLO], 2, "reuse_port: only on Linux"),
        ([LISTEN, "--preload", HELLO], 2, "preload: "),
        (["top", "127.0.0.1:1"], 1, "127.0.0.1:1"),
    ],
)
def test_commands(system: str, arguments: list[str], status: int, said: str) -> None:
    done = run(system, *arguments)
    *messages, last = done.stderr.splitlines()
    got, imported = json.loads(last)
    assert got == status, done.stderr
    assert said in "\n".join(messages)
    if system == "win32":
        parents = ("_child", "_parent", "_template", "_upgraded", "_watch")
        assert not [name for name in imported if name.split(".")[1:2] in [[p] for p in parents]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([LISTEN, "--processes=2", HELLO], "processes: not on Windows"),
        ([LISTEN, "--reload", HELLO], "not on Windows"),
        (["--unix-socket=x", HELLO], "unix_socket: this system has no Unix sockets"),
        (["ctl", "status"], "headwaiter ctl: not on Windows"),
    ],
)
def test_what_windows_does_not_have_is_refused(arguments: list[str], said: str) -> None:
    done = run("win32", *arguments)
    *messages, last = done.stderr.splitlines()
    assert json.loads(last)[0] == 2, done.stderr
    assert said in "\n".join(messages)


def test_windows_serves_and_stops(tmp_path: Path) -> None:
    log = tmp_path / "access"
    argv = [sys.executable, "-c", SERVING, LISTEN, f"--access-log={log}", HELLO]
    with ServerProcess(argv, elsewhere("win32"), ROOT, ()) as server:
        server.wait_for_addresses(1)
        assert server.ask().body == b"hello"
        server.signal(signal.SIGINT)
        assert server.wait() == 0, server.log
    assert "GET / HTTP/1.1" in log.read_text()


def test_macos_serves_by_processes(tmp_path: Path) -> None:
    """With a reload and an upgrade of the running server."""
    control = f"--control={tmp_path / 'ctl'}"
    argv = [sys.executable, "-m", "headwaiter", LISTEN, "--processes=2", control, HELLO]
    with ServerProcess(argv, elsewhere("darwin"), ROOT, ()) as server:
        server.wait_for_addresses(1)
        for verb in ("reload", "upgrade"):
            assert server.ask().body == b"hello"
            done = run("darwin", "ctl", verb, control)
            assert done.stderr.startswith("[0,"), done.stderr + server.log
        assert server.ask().body == b"hello"
        server.stop()

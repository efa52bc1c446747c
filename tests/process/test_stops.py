"""Signals that stop a server, from the first import to the last moment of the process: which
handler gets one, in which process, and how often.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.process import (
    ROOT,
    ServerProcess,
    environment,
    start_program,
    start_server,
)
from tests.support.target import NAME, headwaiter_only
from tests.support.waiting import eventually, pause

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
    headwaiter_only("SIGTERM ends it at once"),
]
PROGRAMS = "tests.process.stop_programs"
SAME_STOP = 0.5
TERM_AND_INT = pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])


def start(way: str, **env: str) -> ServerProcess:
    """The same application by the command line, or by ``serve`` in a program."""
    if way == "command line":
        return start_server(f"{PROGRAMS}:app", env=env)
    return start_program(PROGRAMS, way, **env)


@TERM_AND_INT
@pytest.mark.parametrize(
    ("way", "phase"),
    [
        ("command line", "atexit"),
        ("command line", "teardown"),
        ("plain", "return"),
        ("plain", "atexit"),
        ("plain", "teardown"),
        ("handler", "teardown"),
    ],
)
def test_a_stop_told_twice_is_one_to_the_end_of_the_process(
    way: str, phase: str, name: str
) -> None:
    for _ in range(20):
        with start(way, TESTED_PHASE=phase, TESTED_SIGNAL=name) as server:
            assert server.ask().status == 200
            first = time.monotonic()
            server.signal(getattr(signal, name))
            status = server.wait()
            second = float(server.wait_for_log(r"again at (\S+)")[1])
            if second - first < SAME_STOP:  # else it is another stop, on a machine that is busy
                assert status == 0, server.log
                assert "survived" in server.log
                assert "Traceback" not in server.log
                return
    raise AssertionError("the machine is too busy")


@pytest.mark.parametrize("way", ["command line", "plain"])
@pytest.mark.parametrize("gap", [0.001, 0.005, 0.02, 0.04])
def test_two_stops_from_outside(way: str, gap: float) -> None:
    for _ in range(20):
        with start(way) as server:
            assert server.ask().status == 200
            first = time.monotonic()
            server.signal(signal.SIGTERM)
            pause(gap)
            server.signal(signal.SIGTERM)
            second = time.monotonic()
            status = server.wait()
            if second - first < SAME_STOP:
                assert status == 0, server.log
                return
    raise AssertionError("the machine is too busy")


@pytest.mark.parametrize("way", ["command line", "plain"])
def test_a_later_signal_ends_a_program_that_is_stuck_in_its_end(way: str) -> None:
    with start(way, TESTED_PHASE="waits") as server:
        server.signal(signal.SIGTERM)
        server.wait_for_log("waiting")
        pause(SAME_STOP + 0.1)
        server.signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM


def test_a_signal_while_the_application_is_loaded() -> None:
    argv = [sys.executable, "-m", NAME, "--listen=127.0.0.1:0", f"{PROGRAMS}:app"]
    ended = run(argv, TESTED_PHASE="import")
    assert ended.returncode == -signal.SIGTERM
    assert "survived" not in ended.stderr


IN_A_NAMESPACE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]


@pytest.fixture
def namespace() -> list[str]:
    """A command that runs another one as process 1."""
    able = shutil.which("unshare") and run([*IN_A_NAMESPACE, "true"]).returncode == 0
    if not able:
        pytest.skip("no namespaces of processes here")
    return IN_A_NAMESPACE


@pytest.mark.parametrize("phase", ["import", "waits"])
def test_as_process_1(namespace: list[str], phase: str) -> None:
    """The kernel drops signals to process 1 that nobody handles."""
    env = environment(TESTED_PHASE=phase)
    argv = [sys.executable, "-m", NAME, "--listen=127.0.0.1:0", f"{PROGRAMS}:app"]
    with ServerProcess([*namespace, *argv], env, ROOT, ()) as server:
        server.wait_for_log("importing" if phase == "import" else "stop with")
        if phase == "waits":
            (child,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
            kill = ["kill", "-TERM", child]
            run(kill)
            server.wait_for_log("waiting")
            pause(SAME_STOP + 0.1)
            run(kill)
        assert server.wait() == 128 + signal.SIGTERM
        assert "survived" not in server.log


@TERM_AND_INT
def test_a_handler_of_the_application_is_called_too(name: str) -> None:
    with start("handler", TESTED_SIGNAL=name) as server:
        server.signal(getattr(signal, name))
        assert server.wait() == 0
        assert server.log.count(f"own {name}") == 1
        assert f"{name}: finishing" in server.log
        assert "kept True" in server.log


def test_a_handler_that_exits_ends_the_server_in_order() -> None:
    for _ in range(5):
        with start("handler", TESTED_PHASE="exits") as server:
            for _ in range(5):
                assert server.ask().status == 200
            server.wait_for_log("the main thread waits")
            server.signal(signal.SIGTERM)
            assert server.wait() == 0  # as `run` does with KeyboardInterrupt and SystemExit
            stop = server.log.find("SIGTERM: finishing")
            assert 0 <= stop < server.log.find("advice for the whole run"), server.log
            assert "kept True" in server.log
            assert "Traceback" not in server.log


def test_handlers_are_the_programs_again_when_the_stop_is_over() -> None:
    with start("handler", TESTED_PHASE="return") as server:
        server.signal(signal.SIGTERM)
        assert server.wait() == 0, server.log
        assert server.log.rstrip().endswith("own SIGTERM\nsurvived"), server.log


@pytest.mark.parametrize("phase", ["", "chain"])
def test_a_handler_in_c_is_called_too(phase: str) -> None:
    with start("dump", TESTED_PHASE=phase) as server:
        server.wait_for_log("the main thread waits")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0, server.log
        assert server.log.count("Current thread") == 1
        assert "SIGTERM: finishing" in server.log


@pytest.mark.parametrize("log", [True, False])
def test_a_handler_in_c_keeps_sigusr1(tmp_path: Path, log: bool) -> None:
    arguments = [str(tmp_path / "access.log")] if log else []
    with start_program(PROGRAMS, "dump", *arguments, TESTED_SIGNAL="SIGUSR1") as server:
        server.wait_for_log("the main thread waits")
        server.signal(signal.SIGUSR1)
        server.wait_for_log("Current thread")
        assert server.ask().status == 200


def test_sigusr1_reopens_the_access_log(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    with start_program(PROGRAMS, "access_log", str(path)) as server:
        server.ask("/first")
        eventually(lambda: "/first" in path.read_text(), "the first line")
        path.rename(tmp_path / "old.log")
        server.signal(signal.SIGUSR1)
        eventually(path.exists, "a new file")
        server.ask("/second")
        eventually(lambda: "/second" in path.read_text(), "the second line")


def test_without_an_access_log_sigusr1_is_not_the_servers() -> None:
    with start("plain") as server:
        server.signal(signal.SIGUSR1)
        assert server.wait() == -signal.SIGUSR1


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_signal_that_a_child_gets_before_it_runs_python(tmp_path: Path, name: str) -> None:
    """It dies of it, and the parent's server does not hear of it."""
    env = {"TESTED_PHASE": "fork", "TESTED_SIGNAL": name}
    with start_program(PROGRAMS, "access_log", str(tmp_path / "log"), **env) as server:
        body = str(-getattr(signal, name)).encode()
        assert server.ask("/fork").body == body
        assert server.ask("/fork").body == body
        assert f"{name}: " not in server.log


def test_a_handler_of_the_application_in_a_child_tells_the_parent_nothing() -> None:
    with start("handler", TESTED_PHASE="fork") as server:
        assert server.ask("/fork").body == b"7"  # Python forgets what came before its hooks
        assert server.ask().body == b"parent"
        assert "SIGTERM: " not in server.log


def test_processes_that_are_started_and_terminated() -> None:
    with start("plain") as server:
        for _ in range(30):
            assert server.ask("/terminate").body == b"-15"
        assert "SIGTERM: " not in server.log


def test_a_signal_before_the_server_runs() -> None:
    with start("at_the_banner") as server:
        assert server.wait() == 0
        assert "SIGTERM: finishing" in server.log
        assert "returned" in server.log


@TERM_AND_INT
def test_the_stop_is_told_before_what_follows_from_it(name: str) -> None:
    for _ in range(5):
        with start_server() as server:
            for _ in range(5):  # what the advice counts: the last one may be too young
                assert server.ask().status == 200
            server.signal(getattr(signal, name))
            assert server.wait() == 0
            stop = server.log.find(f"{name}: finishing")
            assert 0 <= stop < server.log.find("advice for the whole run"), server.log


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("plain", r"process \d+; stop with Ctrl-C or SIGTERM\n"),
        ("ignored", r"process \d+; stop with SIGTERM\n"),
        ("in_a_thread", r"process \d+\n"),
    ],
)
def test_the_banner_names_the_signals_that_stop(way: str, words: str) -> None:
    with start(way) as server:
        server.wait_for_log(words)
        server.end_input()
        if way != "in_a_thread":
            server.signal(signal.SIGTERM)
        assert server.wait() == 0


def run(argv: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        env=environment(**env),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

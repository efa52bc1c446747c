"""A child process, with the test as its parent."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.support.process import run_cli
from tests.support.target import headwaiter_only

if sys.platform == "win32":
    pytest.skip("the server is one process", allow_module_level=True)

from .parent import Child, ready_child

pytestmark = headwaiter_only("it is one process")
SLEEPY = "tests.support.apps:sleepy"


def refused(child: Child) -> bool:
    """Whether nobody listens any more."""
    try:
        child.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_ready_comes_when_the_child_serves() -> None:
    with Child("tests.support.apps:hello", {"threads": 3}) as child:
        ready = child.expect("ready")
        assert (ready["pid"], ready["threads"]) == (child.pid, 3)
        assert ready["gil"] is getattr(sys, "_is_gil_enabled", lambda: True)()
        assert child.ask().body == b"hello"
        assert child.answer("ping", 7)["did"] == "pong"
        child.say("drain")
        child.expect("last")
        assert child.hear() == {}
        assert child.wait() == 0
        assert refused(child)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["tests.processes.broken:app"], 1),
        (["tests.processes.nothing:app"], 1),
        (["tests.support.apps:nothing"], 1),
        (["--threads=none", "tests.support.apps:hello"], 2),
        (["--access-log=/nowhere/log", "tests.support.apps:hello"], 1),
    ],
)
def test_a_failed_start_says_what_the_command_line_says(arguments: list[str], status: int) -> None:
    *options, app = arguments
    settings = dict(option[2:].split("=") for option in options)
    with Child(app, settings) as child:
        failed = child.expect("failed")
        assert child.wait() == failed["status"] == status
    alone = run_cli("--listen=127.0.0.1:0", *arguments)
    assert alone.returncode == status
    assert alone.stderr == f"headwaiter: {failed['text']}\n"
    assert failed["text"] not in child.log


def test_an_application_that_ends_the_process_is_a_failed_start() -> None:
    with Child("tests.processes.leaves:app", {}) as child:
        assert "sys.exit(7)" in child.expect("failed")["text"]
        assert child.wait() == 1


def test_a_child_that_hangs_in_import_ends_with_its_parent() -> None:
    with Child("tests.processes.hangs:app", {}) as child:
        child.wait_for_log("hanging")
        assert child.answer("ping", 1)["did"] == "pong"
        child.signal(signal.SIGINT)
        assert child.answer("ping", 2)["did"] == "pong"
        child.leave()
        assert child.wait() == 0
        assert "Traceback" not in child.log


def test_sigterm_ends_a_child_that_does_not_serve_yet() -> None:
    with Child("tests.processes.hangs:app", {}) as child:
        child.wait_for_log("hanging")
        child.signal(signal.SIGTERM)
        assert child.wait() == -signal.SIGTERM


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_stop_signal_is_a_question_to_the_parent(name: str) -> None:
    with ready_child() as child:
        child.signal(signal.Signals[name])
        assert child.expect("asks")["why"] == name
        assert child.ask().status == 200
        for other in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            child.signal(other)
        assert child.ask().status == 200
        child.say("drain")
        child.expect("last")
        assert child.wait() == 0


def test_an_unready_child_serves_on() -> None:
    with ready_child(health_path="/health") as child, child.connect() as probe:
        assert probe.ask("/health").status == 200
        child.say("unready")
        child.answer("ping", 1)
        assert probe.ask("/health").status == 503
        assert probe.ask("/").status == 200
        child.say("drain")
        child.expect("last")
        assert child.wait() == 0


def test_a_drain_finishes_what_was_received() -> None:
    with ready_child(SLEEPY) as child, child.connect() as busy, child.connect() as idle:
        assert idle.ask("/idle").status == 200
        busy.request("/busy?seconds=0.5")
        child.wait_for_log("began /busy")
        child.say("drain")
        idle.expect_closed()
        assert busy.reply().status == 200
        child.expect("last")
        assert child.wait() == 0


def test_a_cut_ends_what_runs_and_is_in_the_exit_status() -> None:
    with ready_child(SLEEPY) as child, child.connect() as busy:
        busy.request("/busy?seconds=60")
        child.wait_for_log("began /busy")
        child.say("cut")
        busy.expect_cut()
        child.expect("last")
        assert child.wait() == 3


def test_without_its_parent_a_child_drains_and_the_port_is_free() -> None:
    with ready_child(SLEEPY) as child, child.connect() as busy:
        busy.request("/busy?seconds=0.5")
        child.wait_for_log("began /busy")
        child.leave()
        assert busy.reply().status == 200
        assert child.wait() == 0
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(child.address)


def test_a_drain_begins_while_the_gil_is_held_in_c(tmp_path: Path) -> None:
    """The request ends when the test writes to a pipe, and holds the GIL until then."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ready_child("tests.processes.tells:holds") as child, child.connect() as holder:
        idle = child.connect()
        assert idle.ask("/idle").status == 200
        with pipe.open("r+b", buffering=0) as release:
            holder.request(f"/hold?pipe={pipe}")
            child.wait_for_log("holding")
            child.signal(signal.SIGTERM)
            assert child.expect("asks")["why"] == "SIGTERM"
            assert child.answer("ping", 1)["did"] == "pong"
            assert json.loads(child.answer("figures", 2)["text"])["running"] == 1
            assert "hold" in child.answer("stacks", 3)["text"]
            child.say("drain")
            idle.expect_closed()
            release.write(b"x")
            assert holder.reply().status == 200
        child.expect("last")
        assert child.wait() == 0


@pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="there is no GIL to hold"
)
def test_an_orphan_whose_gil_is_never_given_back_ends() -> None:
    with ready_child("tests.support.apps:gil", shutdown_timeout=0.2) as child:
        with child.connect() as holder:
            holder.request("/hold?seconds=60")
            child.wait_for_log("began /hold")
            child.leave()
            assert child.wait() == 3
        assert "headwaiter: the GIL is not given back" in child.log


def test_the_last_figures_are_those_of_the_client() -> None:
    with ready_child() as child:
        with child.connect() as client:
            for _ in range(20):
                assert client.ask().status == 200
        asked = json.loads(child.answer("figures", 1)["text"])
        assert sum(asked["figures"]["ends"].values()) == 20
        for _ in range(5):
            child.ask()
        child.say("drain")
        last = json.loads(child.expect("last")["text"])
        assert sum(last["figures"]["ends"].values()) == 25
        assert child.wait() == 0


def test_a_child_asks_for_a_replacement_once() -> None:
    with ready_child(max_requests=3, max_requests_jitter=2) as child, child.connect() as client:
        for _ in range(2):
            client.ask()
        assert child.answer("ping", 1)["did"] == "pong"
        for _ in range(8):
            assert client.ask().status == 200
        assert child.expect("asks")["why"] == "max_requests"
        assert child.answer("ping", 2)["did"] == "pong"
        child.say("drain")
        child.expect("last")
        child.wait()


def test_the_application_learns_that_it_is_not_alone() -> None:
    app = "tests.processes.tells:app"
    with ready_child(app, admin="127.0.0.1:1", pid_file="/nowhere/pid") as child:
        assert child.ask().text == "multiprocess=True"
        # The parent serves the admin endpoint; the child's part is to collect stacks for it.
        assert "headwaiter-0: idle" in child.answer("stacks", 1)["text"]
        child.say("drain")
        child.expect("last")
        assert child.wait() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="no list of descriptors")
def test_a_child_of_the_application_has_none_of_the_descriptors() -> None:
    with ready_child("tests.processes.tells:spawns") as child:
        assert child.ask().text == "0 1 2"
        child.say("drain")
        child.expect("last")
        assert child.wait() == 0

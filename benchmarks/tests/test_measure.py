"""Real processes. The bare epoll loop is the server: it needs nothing but a compiler."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from benchmarks import load, measure
from benchmarks.__main__ import choose
from benchmarks.apps.plain import GREETING
from benchmarks.measure import Cores
from benchmarks.peers import BEFORE, PEERS, Peer
from benchmarks.process import ROOT, Server, ServerError, exchange, free_port, request
from benchmarks.scenarios import QUICK, SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FREE = Cores(None, None)
RAW = PEERS["raw"]
needs_compiler = pytest.mark.skipif(RAW.missing() is not None, reason="no C compiler")
needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="no wrk")


@pytest.fixture
def server() -> Iterator[Server]:
    port = free_port()
    with Server(RAW.command(port, ""), port, None) as running:
        running.wait_ready(request("GET", "/"))
        yield running


@needs_compiler
def test_the_kernels_ceiling_speaks_http(server: Server) -> None:
    answer = exchange(server.port, request("GET", "/"), linger=5.0)
    assert (answer.status, answer.body, answer.closed) == (200, GREETING, True)
    head = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), 5.0) as connection:
        received = b""
        connection.sendall(head * 3 + head[:-2])
        while received.count(GREETING) < 3:
            received += connection.recv(65536)
        connection.sendall(head[-2:])
        while received.count(GREETING) < 4:
            received += connection.recv(65536)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


@needs_compiler
def test_use_of_cpu_is_counted_and_memory_seen(server: Server) -> None:
    before = server.usage()
    for _ in range(100):
        exchange(server.port, request("GET", "/"))
    used = server.usage().since(before)
    assert 0.0 < used.cpu_seconds < 5.0
    assert used.switches > 0
    assert 0 < server.resident() <= server.resident("VmHWM")


@needs_compiler
def test_a_whole_session_is_measured_and_stopped() -> None:
    """Ending the shell ends neither of its children; the session still names them."""
    port = free_port()
    raw = " ".join(RAW.command(port, ""))
    # The parent goes away at once and leaves its child behind, as a daemon would.
    with Server(["sh", "-c", f"{raw} & sleep 300 & wait"], port, None) as server:
        server.wait_ready(request("GET", "/"))
        members = server.processes()
        assert len(members) == 3
    assert server.processes() == []


def test_a_server_that_ends_at_start_says_why() -> None:
    port = free_port()
    command = [sys.executable, "-c", "raise SystemExit('no such application')"]
    with Server(command, port, None) as server, pytest.raises(ServerError, match="no such appl"):
        server.wait_ready(request("GET", "/"))


def test_a_reply_of_another_length_is_not_measured() -> None:
    with pytest.raises(ServerError, match="answers 13 bytes instead of 1048576"):
        measure.measure(SCENARIOS["download1m"], RAW, 1, FREE)


@needs_compiler
@needs_wrk
def test_a_run_gives_every_figure() -> None:
    sample = measure.measure(SCENARIOS["pipeline16"], RAW, 1, FREE)
    assert sample.requests > 16
    assert sample.errors == 0
    assert sample.cpu_us is not None
    assert sample.cpu_us > 0.0
    assert sample.cores is not None
    assert 0.0 < sample.cores < 1.5  # it has one thread
    assert sample.switches is not None
    assert sample.peak_bytes > 0


@needs_compiler
def test_idle_clients_stand_until_they_are_dismissed(server: Server) -> None:
    with load.crowd("idle", 50, server.port, 30, None) as crowd:
        assert crowd.at_first == 50
        assert crowd.dismiss() == 50


@needs_compiler
def test_clients_notice_that_the_server_has_left_them(server: Server) -> None:
    with load.crowd("drip", 20, server.port, 30, None) as crowd:
        assert crowd.at_first == 20
        server.stop()
        assert crowd.dismiss() == 0


@needs_compiler
def test_paced_requests_are_all_answered(server: Server) -> None:
    outcome = load.paced(server.port, 1, None)
    assert (outcome.requests, outcome.errors) == (210, 0)
    assert outcome.p99_us is not None
    assert outcome.p99_us > 0


def test_paced_requests_without_an_answer_are_errors() -> None:
    """A listener that accepts and never answers must not hold the client for ever."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        accepted: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    accepted.append(silent.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept)
        thread.start()
        command = [sys.executable, "-m", "benchmarks.clients.paced", str(port), "0.1"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60)
        silent.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in accepted:
            connection.close()
    seen = json.loads(done.stdout)
    assert (seen["requests"], seen["errors"]) == (0, 21)


def test_names_are_taken_in_the_known_order() -> None:
    assert choose(["bjoern,waitress"], PEERS, []) == ["waitress", "bjoern"]
    assert choose(["bjoern,", "waitress"], PEERS, []) == ["waitress", "bjoern"]
    assert choose(None, SCENARIOS, QUICK) == list(QUICK)
    with pytest.raises(SystemExit, match="unknown: nosuch"):
        choose(["waitress,nosuch"], PEERS, [])


def test_what_is_not_installed_is_said() -> None:
    def command(port: int, app: str) -> list[str]:
        return []

    assert "no-such-server is not installed" in str(Peer("x", command, "no-such-server").missing())
    assert Peer("x", command, "$no-such-program").missing() == "no program no-such-program on PATH"


def test_another_revision_is_measured_where_it_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = PEERS["headwaiter-before"]
    monkeypatch.delenv(BEFORE, raising=False)
    assert before.missing() == f"{BEFORE} names no checkout of headwaiter that is built"
    monkeypatch.setenv(BEFORE, str(tmp_path))
    assert before.missing() == f"{BEFORE} names no checkout of headwaiter that is built"
    package = tmp_path / "python" / "headwaiter"
    package.mkdir(parents=True)
    (package / "_headwaiter.abi.so").touch()
    assert before.missing() is None
    assert before.command(8000, "app:app")[:2] == ["env", f"PYTHONPATH={package.parent}"]

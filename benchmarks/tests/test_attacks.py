"""Every attack for a fraction of a second, on a real server; and what watches them."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.attacks import attack as attacks
from benchmarks.attacks import measure as measures
from benchmarks.attacks.attack import EVERY_PROBE, Attack, Ground, Row
from benchmarks.attacks.attacker import attack
from benchmarks.attacks.kinds import ROWS
from benchmarks.attacks.measure import (
    Places,
    Plan,
    Scales,
    logged_visits,
    measure,
    server_command,
    weigh,
)
from benchmarks.attacks.watchdog import KINDS, Kind, Probe, Shift
from benchmarks.attacks.wire import Client
from benchmarks.peers import PEERS
from benchmarks.process import Server, exchange, free_port, request

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = PEERS["headwaiter"]
SHORT = Plan(calm=0.1, attack=0.3, settle=0.1, scale=0.01)
NOWHERE = 1
DEEDS = {"bytes sent", "single bytes", "idle connections", "asked"}


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_an_attack_does_something_and_ends_by_itself(row: Row, tmp_path: Path) -> None:
    port, admin = free_port(), free_port()
    with Server(server_command(row, OURS, port, admin, str(tmp_path)), port, None) as server:
        server.wait_ready(request("GET", "/"))
        before = descriptors()
        for seconds in (0.3, 1.0, 5.0, 20.0):  # until the machine has had time for it
            deeds = attack(row, port, admin, seconds, 0.01).keys() & DEEDS
            assert descriptors() == before
            if deeds:
                break
        assert deeds
        assert exchange(port, request("GET", "/"), timeout=60).status == 200
        [pid] = server.processes()
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    shown = {line[:26].strip(): line[26:].split()[0] for line in limits}
    if row.files is not None:
        assert shown["Max open files"] == str(row.files)
    if row.address_space is not None:
        assert shown["Max address space"] == str(row.address_space)


class Pushy(Attack):
    """Clients that send for as long as they may."""

    def set_up(self) -> None:
        self.enlist([self.plan(), self.plan()], reads=False)

    def run(self) -> None:
        self.drive()

    def plan(self) -> Iterator[bytes]:
        while True:
            yield b"x"


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Completes connections and does nothing with them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_clients_stop_at_the_most_that_they_may_send(
    silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attacks, "MOST_BYTES", 100)
    pushy = Pushy(Ground(silent.getsockname()[1], NOWHERE, time.monotonic() + 60))
    pushy.set_up()
    pushy.run()
    pushy.stop()
    assert 100 <= pushy.tally["bytes sent"] <= 101


def test_an_attack_ends_in_time_whatever_the_server_does(silent: socket.socket) -> None:
    pushy = Pushy(Ground(silent.getsockname()[1], NOWHERE, time.monotonic() + 60))
    pushy.set_up()
    end = time.monotonic() + 0.1
    pushy.ground = replace(pushy.ground, end=end)
    pushy.run()
    pushy.stop()
    assert time.monotonic() >= end


def test_clients_that_are_refused_or_cut_are_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ground = Ground(listener.getsockname()[1], NOWHERE, time.monotonic() + 60)
        pushy = Pushy(ground)
        pushy.set_up()
        for _ in range(2):
            listener.accept()[0].close()
    pushy.run()
    assert (pushy.tally["connections"], pushy.tally["cut by the server"]) == (2, 2)
    late = Pushy(ground)
    late.set_up()
    assert late.tally["refused"] == 2


def test_replies_are_counted_however_they_are_cut() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = Client(listener.getsockname()[1], iter(()))
        server, _ = listener.accept()
        client.connection.setblocking(True)
        wire = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 404 No\r\n\r\nHTTP/1.1 204 No\r\n\r\n"
        for byte in wire:
            server.sendall(bytes([byte]))
            client.receive()
        assert client.replies == 2
        server.close()
        with pytest.raises(ConnectionResetError):
            client.receive()
        client.close()


class Standing(http.server.BaseHTTPRequestHandler):
    """Answers once `may_answer` is set."""

    protocol_version = "HTTP/1.1"
    asked = threading.Event()
    may_answer = threading.Event()

    def do_GET(self) -> None:
        self.asked.set()
        self.may_answer.wait(60)
        self.send_response(200 if self.path == "/" else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def standing() -> Iterator[int]:
    """The port of a server that stands still until it is told to answer."""
    Standing.asked.clear()
    Standing.may_answer.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Standing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        Standing.may_answer.set()
        server.shutdown()
        thread.join()


def test_what_falls_due_while_a_server_stands_still_counts(standing: int) -> None:
    shift = Shift()
    probe = Probe(Kind("/", 0.01), standing, shift, os.getpid())
    thread = threading.Thread(target=probe.run)
    thread.start()
    assert Standing.asked.wait(60)
    began = time.monotonic()
    used = time.process_time()
    while (stood := time.monotonic() - began) < 0.2:
        time.sleep(0.01)
    used = time.process_time() - used
    shift.finish()
    Standing.may_answer.set()
    thread.join()
    seen = probe.seen()
    assert (seen.asked, seen.failed) == (1, 0)
    assert seen.cpu_us >= 1e6 * used > 0
    assert seen.worst_us >= 1e6 * stood
    assert 0.4 < seen.p50_us / seen.worst_us < 0.6


@pytest.mark.parametrize(
    "kind", [Kind("/error", 0.01), Kind("/error", 0.01, fresh=True)], ids=["kept", "fresh"]
)
def test_an_error_is_a_failure_and_has_no_latency(standing: int, kind: Kind) -> None:
    Standing.may_answer.set()
    shift = Shift()
    probe = Probe(kind, standing, shift, os.getpid())
    thread = threading.Thread(target=probe.run)
    thread.start()
    assert Standing.asked.wait(60)
    shift.finish()
    thread.join()
    seen = probe.seen()
    assert seen.failed == seen.asked > 0
    assert (seen.p50_us, seen.worst_us) == (0, 0)


def test_the_whole_of_an_attack_is_measured() -> None:
    result = measure(ROWS["slow-loris"], OURS, Places(), SHORT)
    assert result.failure is None
    for seen in (result.calm, result.during, result.after):
        assert set(seen) == set(KINDS) == set(EVERY_PROBE)
        assert all(one.asked and not one.failed and one.worst_us for one in seen.values())
    assert result.before
    assert result.peak
    assert result.settled
    assert 3 < result.peak.files < 1000
    assert min(weight.rss for weight in (result.before, result.peak, result.settled)) > 1 << 20
    assert result.tally["connections"] == 20
    assert result.logged is None


def test_descriptors_are_counted_at_their_most(tmp_path: Path) -> None:
    port, admin = free_port(), free_port()
    command = server_command(ROWS["slow-loris"], OURS, port, admin, str(tmp_path))
    with Server(command, port, None) as server:
        server.wait_ready(request("GET", "/"))
        with Scales(server) as scales:
            clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
            while scales.files < 50:
                time.sleep(0.01)
            for client in clients:
                client.close()
            while weigh(server).files >= 50:
                time.sleep(0.01)
        assert 50 <= scales.files < 100


def test_honest_visits_are_found_in_the_access_log() -> None:
    result = measure(ROWS["long-fields-json"], OURS, Places(), SHORT)
    assert result.failure is None
    phases = (result.calm, result.during, result.after)
    assert result.logged == sum(seen["visit"].asked for seen in phases)


def test_a_log_is_searched_for_visits(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    assert logged_visits(log) is None
    log.write_bytes(b'"GET / HTTP/1.1" \xff\n"GET /visit HTTP/1.1"\n"GET /visit HTTP/1.1"\n')
    assert logged_visits(log) == 2


def test_a_server_that_cannot_start_is_a_failure() -> None:
    row = replace(ROWS["slow-loris"], settings={"threads": "none"})
    result = measure(row, OURS, Places(), SHORT)
    assert result.failure
    assert "ended at start" in result.failure


def test_a_server_that_ends_under_attack_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[Server] = []

    def kill(row: Row, port: int, admin: int, where: Places, plan: Plan) -> dict[str, int]:
        [server] = killed
        for pid in server.processes():
            os.kill(pid, signal.SIGKILL)
        while server.processes():
            time.sleep(0.005)
        return {"killed": 1}

    monkeypatch.setattr(measures, "_attack", kill)
    monkeypatch.setattr(measures, "_forget_peak", killed.append)
    result = measure(ROWS["slow-loris"], OURS, Places(), SHORT)
    assert result.failure
    assert "the server ended" in result.failure
    assert result.tally == {"killed": 1}
    assert result.during["health"].failed > 0
    assert result.settled is None


def test_attackers_that_do_not_end_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "SPARE_SECONDS", -0.29)
    result = measure(ROWS["slow-loris"], OURS, Places(), SHORT)
    assert result.failure == "the attackers did not end"
    assert result.during["health"].asked > 0


def test_another_server_is_asked_for_views_only() -> None:
    result = measure(ROWS["slow-loris"], PEERS["waitress"], Places(), SHORT)
    assert result.failure is None
    assert set(result.during) == {"view", "visit"}

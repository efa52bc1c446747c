"""Latency in an open loop: its arithmetic, its client, its page."""

from __future__ import annotations

import shutil
import socket
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from benchmarks import latency, latency_page
from benchmarks.clients import schedule
from benchmarks.clients.schedule import Notice, Request, Run
from benchmarks.latency import Half, Low
from benchmarks.load import LoadError
from benchmarks.measure import Cores
from benchmarks.peers import PEERS
from benchmarks.process import Server, free_port, request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MS = 1_000_000
FREE = Cores(None, None)
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def test_reports_are_read() -> None:
    run = schedule.parse("R 0 5 1000\nR 10000000 7 -1\nW 300 200000 0\n")
    assert run.requests == [Request(0, 5, 1000), Request(10 * MS, 7, None)]
    assert run.notices == [Notice(300, 200_000)]
    assert run.errors() == 1
    with pytest.raises(LoadError, match="reported nothing"):
        schedule.parse("")


def test_an_answer_that_never_comes_is_the_slowest() -> None:
    run = Run([Request(n, 0, n * 1000) for n in range(1, 1000)] + [Request(1000, 0, None)], [])
    assert run.latency_us(0.5) == 500.0
    assert run.latency_us(0.999) == 999.0
    assert latency.finite(run.latency_us(1.0)) == -1.0


@pytest.mark.parametrize(
    ("request_", "notices", "explained"),
    [
        (Request(0, 0, 2 * MS), [], False),
        # The client itself came late.
        (Request(0, int(1.5 * MS), 2 * MS), [], True),
        # So did whoever wanted to run on the server's core at that time.
        (Request(10 * MS, 0, 2 * MS), [Notice(10 * MS, int(1.2 * MS))], True),
        (Request(10 * MS, 0, 2 * MS), [Notice(int(9.5 * MS), int(1.8 * MS))], True),
        (Request(10 * MS, 0, 2 * MS), [Notice(5 * MS, 5 * MS)], False),
        # At another time, or not for long enough.
        (Request(10 * MS, 0, 2 * MS), [Notice(30 * MS, 9 * MS)], False),
        (Request(10 * MS, 0, 9 * MS), [Notice(10 * MS, 2 * MS)], False),
        (Request(10 * MS, 0, None), [Notice(10 * MS, 9 * MS)], False),
    ],
)
def test_what_the_machine_explains(
    request_: Request, notices: list[Notice], explained: bool
) -> None:
    run = Run([request_, Request(50 * MS, 0, MS // 2)], notices)
    assert run.slow(MS) == [request_]
    assert run.unexplained(MS) == ([] if explained else [request_])


def test_rounds_become_one() -> None:
    rounds = [Half(10.0, 5.0, 1.0, float(p99), 9.0, 0.5, 1) for p99 in (7, 3, 5)]
    assert latency.middle(rounds) == Half(10.0, 5.0, 1.0, 5.0, 9.0, 0.5, 3)


def test_rounds_at_low_load_add_up() -> None:
    rounds = [Low(float(n), 9.0, n, 1, 300, 5.0, float(-n % 3), 7.0) for n in (1, 2, 3)]
    assert latency.together(rounds) == Low(2.0, 9.0, 6, 3, 900, 5.0, 2.0, 7.0)
    never = Low(1.0, 9.0, 0, 0, 300, 5.0, -1.0, 7.0)
    assert latency.together([*rounds, never]).first_max_us == -1.0


@pytest.fixture
def server() -> Iterator[Server]:
    port = free_port()
    with Server(PEERS["raw"].command(port, ""), port, None) as running:
        running.wait_ready(request("GET", "/"))
        yield running


@needs_compiler
def test_every_request_is_sent_and_answered(server: Server) -> None:
    run = schedule.run(server.port, 500, 0.4, 4, FREE)
    assert [r.due for r in run.requests] == [n * 2 * MS for n in range(200)]
    assert run.errors() == 0
    assert all(r.late >= 0 for r in run.requests)
    assert all(r.latency is not None and r.latency >= r.late for r in run.requests)


@needs_compiler
def test_a_server_that_falls_behind_cannot_hide_it() -> None:
    """It answers only when all have long been due, so the first has waited the longest."""
    begin = threading.Event()
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            begin.wait(0.3)
            connection.sendall(reply)
            while connection.recv(4096):
                connection.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        run = schedule.run(listener.getsockname()[1], 100, 0.2, 1, FREE)
        thread.join()
    assert run.errors() == 0
    assert len(run.requests) == 20
    first, last = run.requests[0].latency, run.requests[-1].latency
    assert first is not None
    assert last is not None
    assert first >= 300 * MS
    # Sent after the first, and yet counted from when it was due: 190 ms after the start.
    assert last >= 100 * MS
    # None of this is the client's.
    assert run.requests[-1].late < last


@needs_compiler
def test_a_client_without_a_server_says_so() -> None:
    with pytest.raises(LoadError, match="connect"):
        schedule.run(1, 10, 0.1, 1, FREE)


def test_the_page_shows_what_was_kept(tmp_path: Path) -> None:
    half = {
        "hello": {
            "headwaiter": asdict(Half(100_000.0, 50_000.0, 60.0, 900.0, 1500.0, 40.0, 0)),
            "waitress": "no request was answered",
        }
    }
    low = {"headwaiter": asdict(Low(70.0, 99.0, 3, 0, 400, 120.0, -1.0, 10.0))}
    page, kept = tmp_path / "docs" / "latency.md", tmp_path / "latency.json"
    latency_page.write(page, kept)
    assert not page.exists()
    busy = ["others used 40 % of the machine during the run"]
    for part, cells, reasons in (("half", {}, []), ("low", low, []), ("half", half, busy)):
        found = {"cells": cells, "worthless": reasons, "circumstances": {"kernel": "Linux"}}
        latency_page.keep(kept, part, found)
    latency_page.write(page, kept)
    lines = [" ".join(line.split()) for line in page.read_text().splitlines()]
    assert "| headwaiter | 50,000 | 60 µs | 900 µs | 1.50 ms | 40 µs | 0 |" in lines
    assert "| waitress | no request was answered | - | - | - | - | - |" in lines
    assert "| headwaiter | 70 µs | 99 µs | 3 | 0 | 400 | 120 µs | never |" in lines
    assert "- others used 40 % of the machine during the run" in lines
    assert lines.count("- kernel: Linux") == 2

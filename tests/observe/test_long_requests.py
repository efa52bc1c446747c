"""Requests that run long: written down with their stacks, and replaced where they are stuck."""

from __future__ import annotations

import json
import re
import threading

import pytest

from headwaiter._settings.casts import thread_bounds
from headwaiter.settings import Adjustments

from ..support.http import Client
from ..support.process import ServerProcess, start_server
from ..support.waiting import eventually

APP = "tests.observe.apps:waiting"


def test_a_slow_request_is_written_down_while_it_runs_and_when_it_ends() -> None:
    with start_server(APP, slow_request_log=0.2) as server, server.connect() as client:
        client.request("/wait?for=it")
        record = server.wait_for_log(r"GET /wait of 127\.0\.0\.1:\d+ runs for 0\.[2-9] s; .*")
        assert re.search(
            r"received in \d+ ms, waited \d+ ms for a worker and \d+ ms for the GIL", record[0]
        )
        # Its innermost frames, and none of ours.
        stack = server.wait_for_log(r"worker \d+:\n((?:  .*\n)+)")[1]
        assert "in wait_at_the_gate" in stack
        assert "_bootstrap" not in stack
        assert "in _work" not in stack
        server.wait_for_log(r"runs for 0\.[4-9] s")
        assert server.ask("/open").status == 200
        assert client.reply().body == b"done"
        server.wait_for_log(r"GET /wait of 127\.0\.0\.1:\d+ has ended after \d+\.\d s")
        assert "WARNING headwaiter.slow: " in server.log
        server.stop()


def test_an_old_request_does_not_hide_a_young_one() -> None:
    with (
        start_server(APP, slow_request_log=0.2) as server,
        server.connect() as old,
        server.connect() as young,
    ):
        old.request("/wait?old")
        server.wait_for_log(r"runs for 1\.[6-9] s")  # the next record of it is due at 3.2
        young.request("/wait/young")
        server.wait_for_log(r"GET /wait/young of .* runs for 0\.\d s")
        assert server.ask("/open").status == 200
        for client in (old, young):
            assert client.reply().body == b"done"


def test_a_quick_request_is_not_written_down() -> None:
    with start_server(APP, slow_request_log=30) as server:
        assert server.ask("/").status == 200
        server.stop()
        assert "runs for" not in server.log


def test_capacity_stays_when_workers_are_stuck() -> None:
    server = start_server(APP, threads=1, stuck_after=0.2, stuck_replacements=1)
    with server, server.connect() as first, server.connect() as second:
        first.request("/wait")
        server.wait_for_log(r"GET /wait of .* \(stuck_after\): another worker .* 1 of 1")
        assert server.ask("/").body == b"done"
        second.request("/wait")
        server.wait_for_log("all stuck_replacements=1 are in use: capacity is lost")
        # Nobody is left to open the gate.
        server.kill()


class Crowd:
    """Clients that ask again as soon as they are answered, until the ``with`` block ends."""

    def __init__(self, server: ServerProcess, count: int, path: str) -> None:
        self.answered = 0
        self._over = threading.Event()
        target = (server, path)
        self._clients = [threading.Thread(target=self._ask, args=target) for _ in range(count)]

    def __enter__(self) -> Crowd:
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        for client in self._clients:
            client.join()

    def _ask(self, server: ServerProcess, path: str) -> None:
        with server.connect() as client:
            while not self._over.is_set():
                assert client.ask(path).status == 200
                self.answered += 1


@pytest.mark.slow
def test_a_pool_grows_for_an_application_that_waits() -> None:
    with start_server("tests.observe.apps:sleeping", threads="1-8") as server:
        with Crowd(server, 8, "/"):
            server.wait_for_log(r"threads: 1 -> 2: \d+ requests wait for a thread")
            server.wait_for_log(r"threads: \d -> [78]: ")
        server.stop()


@pytest.mark.slow
def test_a_pool_does_not_grow_for_an_application_that_computes() -> None:
    with start_server(APP, threads="1-8") as server:
        with Crowd(server, 4, "/spin") as crowd:
            eventually(lambda: crowd.answered > 150, "150 requests", timeout=60)
        server.stop()
        assert "threads: " not in server.log


@pytest.mark.parametrize(
    ("value", "bounds"),
    [(4, (4, 4)), ("4", (4, 4)), ("auto", (4, 64)), (" 2-8 ", (2, 8)), ("3-3", (3, 3))],
)
def test_threads_are_a_number_or_bounds(value: str | int, bounds: tuple[int, int]) -> None:
    threads = Adjustments(threads=value).threads
    assert thread_bounds(threads) == bounds
    settings = Adjustments(threads=value).engine_settings("headwaiter")
    assert (settings["threads"], settings["threads_max"]) == bounds


@pytest.mark.parametrize("value", ["8-4", "0-4", "4-", "-4", "4-x", "automatic", "4-70000"])
def test_bounds_that_cannot_be_meant(value: str) -> None:
    with pytest.raises(ValueError, match="threads: expected a whole number"):
        Adjustments(threads=value)


def test_status_shows_the_bounds() -> None:
    with start_server(APP, addresses=2, threads="2-8", admin="127.0.0.1:0") as server:
        with Client(server.addresses[1]) as client:
            answer = client.ask("/status.json", headers=[("Host", "localhost")])
        shown = json.loads(answer.body)["server"]
        assert (shown["threads_min"], shown["threads_max"]) == (2, 8)
        server.stop()

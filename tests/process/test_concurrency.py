"""How concurrent requests are handled: workers, the queue, and its one log record.

Order is asserted by events in the applications; where a clock is read the margin is wide.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import Serve
from tests.support.http import render
from tests.support.live import LOGGER, LogCatcher
from tests.support.process import start_server
from tests.support.target import headwaiter_only
from tests.support.waiting import eventually
from tests.support.wsgi import Environ, StartResponse

PLAIN = [("Content-Type", "text/plain")]


def spans(count: int) -> list[dict[str, Any]]:
    """``count`` requests at once to a view that sleeps 1 s behind 4 threads; when each ran."""
    with start_server("tests.support.apps:sleepy", threads=4) as server:
        with ThreadPoolExecutor(count) as pool:
            replies = list(pool.map(lambda _: server.ask("/?seconds=1"), range(count)))
        assert [reply.status for reply in replies] == [200] * count
        return [json.loads(reply.text) for reply in replies]


def elapsed(ran: list[dict[str, Any]]) -> float:
    return float(max(span["ended"] for span in ran) - min(span["began"] for span in ran))


def most_at_once(ran: list[dict[str, Any]]) -> int:
    return max(sum(bool(a["began"] <= b["began"] < a["ended"]) for a in ran) for b in ran)


def test_four_requests_run_at_once() -> None:
    ran = spans(4)
    assert most_at_once(ran) == 4
    assert len({span["ident"] for span in ran}) == 4
    assert 1.0 <= elapsed(ran) < 1.9


def test_a_fifth_waits_for_a_worker() -> None:
    ran = sorted(spans(5), key=lambda span: float(span["began"]))
    assert most_at_once(ran) == 4, "never more than there are threads"
    assert ran[4]["began"] >= min(span["ended"] for span in ran[:4])
    assert 2.0 <= elapsed(ran) < 2.9


class Gate:
    """An application whose requests wait until they are let through."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.release = threading.Semaphore(0)
        self.order: list[str] = []
        self.threads: set[tuple[str, int]] = set()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        thread = threading.current_thread()
        self.threads.add((thread.name, threading.get_ident()))
        self.order.append(environ["PATH_INFO"])
        self.entered.release()
        assert self.release.acquire(timeout=20)
        start_response("200 OK", [("Content-Length", "0")])
        return []


@headwaiter_only("a refusal needs a worker too")
def test_waiting_requests_are_taken_in_order(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, threads=1)
    clients = []
    for number in range(6):
        clients.append(server.connect())
        clients[-1].request(f"/{number}")
        if number == 0:  # the others queue behind it; each is complete before the next is sent
            assert gate.entered.acquire(timeout=20)
        else:
            # a refusal travels through the same I/O thread: when it is back, the request is queued
            with server.connect() as probe:
                probe.send(b"BAD\r\n\r\n")
                probe.rest()
    gate.release.release(6)
    for client in clients:
        assert client.reply().status == 200
        client.close()
    assert gate.order == [f"/{number}" for number in range(6)]


def test_the_same_threads_serve_all_requests(serve: Serve) -> None:
    """Database connections live per thread: as many as there are workers and no more."""
    gate = Gate()
    gate.release.release(2000)
    local = threading.local()
    made: list[int] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if not hasattr(local, "connection"):
            local.connection = threading.get_ident()
            made.append(local.connection)
        assert isinstance(threading.current_thread(), threading.Thread)
        assert threading.current_thread().name.startswith(f"{LOGGER}-")
        return gate(environ, start_response)

    server = serve(app, threads=3)

    def fifty(_: int) -> None:
        with server.connect() as client:
            for _ in range(50):
                assert client.ask().status == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fifty, range(20)))
    assert len(gate.threads) <= 3
    assert len(made) == len(gate.threads), "a thread-local was lost"


def test_workers_can_be_seen_by_the_threading_module(serve: Serve) -> None:
    names: set[str] = set()

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        names.update(t.name for t in threading.enumerate() if t.name.startswith(f"{LOGGER}-"))
        start_response("200 OK", [("Content-Length", "0")])
        return []

    server = serve(app, threads=3)
    wanted = {f"{LOGGER}-{n}" for n in range(3)}

    def all_seen() -> bool:
        server.ask()
        return wanted <= names

    eventually(all_seen, "all workers seen; the first request may come before the last of them")


@headwaiter_only("one warning per queued request")
def test_a_full_pool_is_logged_once(serve: Serve, logs: LogCatcher) -> None:
    """A burst yields one record at once and at most one a second after it."""
    gate = Gate()
    server = serve(gate, threads=2)
    with server.connect() as first, server.connect() as second:
        first.request()
        second.request()
        assert gate.entered.acquire(timeout=20)
        assert gate.entered.acquire(timeout=20)
        clients = [server.connect() for _ in range(100)]
        for client in clients:
            client.request()
        record = logs.wait_for("depth", logging.WARNING)
        assert record.name == f"{LOGGER}.queue"
        gate.release.release(200)
        for client in clients:
            assert client.reply().status == 200
            client.close()
        assert first.reply().status == 200
        assert second.reply().status == 200
    server.close()
    records = logs.matching(lambda r: r.name == f"{LOGGER}.queue" and r.levelno >= logging.WARNING)
    assert 1 <= len(records) <= 3, [r.getMessage() for r in records]


@headwaiter_only("a worker that is about to wait counts as busy")
def test_no_record_while_there_are_free_workers(serve: Serve, logs: LogCatcher) -> None:
    gate = Gate()
    gate.release.release(1000)
    server = serve(gate, threads=4)
    with server.connect() as client:
        for _ in range(200):
            client.ask()
    server.close()
    assert logs.matching(lambda r: r.name == f"{LOGGER}.queue") == []


@headwaiter_only("a refusal needs a worker too")
def test_a_long_pipeline_does_not_hold_up_others(serve: Serve) -> None:
    """One connection with 500 requests behind one another takes turns with the rest."""
    served: list[str] = []
    half, go_on = threading.Event(), threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        served.append(environ["PATH_INFO"])
        if served.count("/greedy") == 50 and environ["PATH_INFO"] == "/greedy":
            half.set()
            assert go_on.wait(20)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    server = serve(app, threads=1)
    with server.connect() as greedy, server.connect() as modest:
        greedy.send(render("/greedy") * 500)
        assert half.wait(20)
        modest.request("/modest")
        with server.connect() as probe:  # answered by the I/O thread after it has read /modest
            probe.send(b"BAD\r\n\r\n")
            probe.rest()
        go_on.set()
        assert modest.reply().status == 200
        for _ in range(500):
            assert greedy.reply().status == 200
    assert served.index("/modest") < 100, "the pipeline went first to its end"


def test_spinning_application_and_a_quick_one(serve: Serve) -> None:
    """A view that burns CPU shares the GIL: a quick request beside it does not wait for its end."""
    stop = threading.Event()
    spinning = threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/spin":
            spinning.set()
            while not stop.is_set():
                sum(range(1000))
        start_response("200 OK", [("Content-Length", "0")])
        return []

    server = serve(app, threads=2)
    with server.connect() as busy:
        busy.request("/spin")
        assert spinning.wait(20)
        for _ in range(20):
            assert server.ask("/quick").status == 200
        stop.set()
        assert busy.reply().status == 200


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_threads_is_the_number_that_runs_at_once(serve: Serve, threads: int) -> None:
    gate = Gate()
    server = serve(gate, threads=threads)
    clients = [server.connect() for _ in range(threads + 3)]
    for client in clients:
        client.request()
    for _ in range(threads):
        assert gate.entered.acquire(timeout=20), "fewer ran at once"
    assert not gate.entered.acquire(timeout=0.2), "more ran at once"
    gate.release.release(threads + 3)
    for client in clients:
        assert client.reply().status == 200
        client.close()
    assert len(gate.threads) <= threads


@headwaiter_only("a refusal needs a worker too")
def test_io_goes_on_while_every_worker_is_busy(serve: Serve) -> None:
    """Accepting, reading and refusing need no worker."""
    gate = Gate()
    server = serve(gate, threads=1)
    with server.connect() as busy:
        busy.request()
        assert gate.entered.acquire(timeout=20)
        with server.connect() as wrong:
            wrong.send(b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n")
            assert wrong.reply().status == 400
            wrong.expect_closed()
        with server.connect() as upload:
            upload.send(render("/", "POST", body=bytes(5 << 20)))  # read though nobody runs it
            gate.release.release(2)
            assert upload.reply().status == 200
        assert busy.reply().status == 200

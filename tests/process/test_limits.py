"""Each limit at work: what the client gets, and that the application never ran."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest

from tests.conftest import Serve
from tests.support.http import Client, chunked, render
from tests.support.live import LiveServer
from tests.support.target import IS_WAITRESS, headwaiter_only
from tests.support.waiting import eventually
from tests.support.wsgi import Environ, StartResponse


class Gate:
    """Notes every call; ``/wait`` holds its worker until ``release`` is set."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        self.calls.append(environ["PATH_INFO"])
        if environ["PATH_INFO"] == "/wait":
            self.entered.release()
            assert self.release.wait(20)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    def occupy(self, server: LiveServer) -> Client:
        """Makes one worker wait; the client that is waiting for it."""
        client = server.connect()
        client.request("/wait")
        assert self.entered.acquire(timeout=20)
        return client


def settle(server: LiveServer) -> None:
    """Returns when everything sent before has been read: a refusal comes from the same thread."""
    with server.connect() as probe:
        probe.send(b"BAD\r\n\r\n")
        probe.rest()


@pytest.mark.parametrize("size", [900, 1100], ids=["below", "above"])
def test_max_request_header_size(serve: Serve, size: int) -> None:
    gate = Gate()
    server = serve(gate, max_request_header_size=1000)
    padding = "x" * (size - len(render("/", headers=[("X-Padding", "")])))
    with server.connect() as client:
        client.request("/", headers=[("X-Padding", padding)])
        reply = client.reply()
        if size < 1000:
            assert reply.status == 200
            return
        assert reply.status == 431
        assert reply.closing or IS_WAITRESS
        client.expect_cut()
    assert gate.calls == []


def test_max_request_header_size_of_an_endless_line(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, max_request_header_size=1000)
    with server.connect() as client:
        client.send(b"GET /" + b"a" * 5000)
        assert client.reply().status in (414, 431)
    assert gate.calls == []


@headwaiter_only("as many as fit its size")
@pytest.mark.parametrize("count", [600, 601])
def test_max_request_header_fields(serve: Serve, count: int) -> None:
    gate = Gate()
    server = serve(gate, max_request_header_fields=600)
    fields = [(f"X-{n}", "") for n in range(count - 1)]  # and Host
    with server.connect() as client:
        reply = client.ask("/", headers=fields)
        assert reply.status == (200 if count == 600 else 431)
        assert reply.closing == (count > 600)
    assert len(gate.calls) == (count == 600)


def test_max_request_body_size_by_length(serve: Serve) -> None:
    """Refused on the head alone: the client has not sent a byte of the body."""
    gate = Gate()
    server = serve(gate, max_request_body_size=1000)
    with server.connect() as client:
        # Waitress refuses from exactly the limit on
        assert client.ask("/", "POST", body=bytes(1000 - IS_WAITRESS)).status == 200
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n")
        assert client.reply().status == 413
    assert gate.calls == ["/"]


@headwaiter_only("it resets the connection while the client still sends")
def test_max_request_body_size_is_readable_by_a_client_that_sends_all(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, max_request_body_size=1000)
    with server.connect() as client:
        client.send(render("/", "POST", body=bytes(300_000)))
        reply = client.reply()
        assert (reply.status, reply.closing) == (413, True)
    assert gate.calls == []


@pytest.mark.parametrize("pieces", [[1001], [500, 501], [1] * 1001])
def test_max_request_body_size_of_chunks(serve: Serve, pieces: list[int]) -> None:
    gate = Gate()
    server = serve(gate, max_request_body_size=1000)
    body = chunked(*(bytes(piece) for piece in pieces))
    with server.connect() as client:
        client.send(render("/", "POST", [("Transfer-Encoding", "chunked")], body))
        assert client.reply().status == 413
    assert gate.calls == []


@headwaiter_only("it has none")
def test_a_refused_body_is_not_asked_for(serve: Serve) -> None:
    """``Expect: 100-continue`` with a body that is too large: no 100."""
    server = serve(Gate(), max_request_body_size=1000)
    with server.connect() as client:
        headers = [("Expect", "100-continue"), ("Content-Length", "5000")]
        client.request("/", "POST", headers)
        reply = client.reply()
        assert (reply.status, reply.interim) == (413, [])


@headwaiter_only("it has none")
def test_queue_limit(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, threads=1, queue_limit=2)
    busy = gate.occupy(server)
    waiting = []
    for number in range(2):
        waiting.append(server.connect())
        waiting[-1].request(f"/{number}")
        settle(server)
    with server.connect() as client:
        reply = client.ask("/refused")
        assert reply.status == 503
        assert int(reply.header("Retry-After") or 0) > 0
        assert reply.closing
    gate.release.set()
    for client in [busy, *waiting]:
        assert client.reply().status == 200
    assert gate.calls == ["/wait", "/0", "/1"]


@headwaiter_only("it has none")
def test_queue_timeout(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, threads=1, queue_timeout=0.3)
    busy = gate.occupy(server)
    with server.connect() as client:
        reply = client.ask("/refused")  # answered while the worker is still busy
        assert reply.status == 503
        assert reply.header("Retry-After")
    gate.release.set()
    assert busy.reply().status == 200
    server.close()
    assert gate.calls == ["/wait"]


@headwaiter_only("it stops accepting")
def test_connection_limit_closes_the_longest_idle(serve: Serve) -> None:
    server = serve(Gate(), connection_limit=5)
    clients = []
    for _ in range(5):
        clients.append(server.connect())
        assert clients[-1].ask().status == 200
    with server.connect() as one_more:
        assert one_more.ask().status == 200
        clients[0].expect_closed()
        assert clients[-1].ask().status == 200


@headwaiter_only("it has none")
def test_health_path(serve: Serve) -> None:
    """Answered while every worker is stuck; 503 while draining; the application never sees it."""
    gate = Gate()
    server = serve(gate, threads=1, health_path="/healthy")
    assert server.ask("/healthy").status == 200
    busy = gate.occupy(server)
    with server.connect() as kept:
        assert kept.ask("/healthy").status == 200
        assert kept.ask("/healthy", "HEAD").status == 200
    gate.release.set()
    assert busy.reply().status == 200
    assert gate.calls == ["/wait"]


@headwaiter_only("it has none")
def test_health_max_wait(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, threads=1, health_path="/healthy", health_max_wait=0.2)
    busy = gate.occupy(server)
    waiting = server.connect()
    waiting.request("/next")
    eventually(lambda: server.ask("/healthy").status == 503, "the request has waited for 0.2 s")
    gate.release.set()
    assert busy.reply().status == 200
    assert waiting.reply().status == 200
    assert server.ask("/healthy").status == 200


ABANDONED = [
    # abandoned_requests, method, whether the application runs for a client that has left
    ("drop-safe", "GET", False),
    ("drop-safe", "HEAD", False),
    ("drop-safe", "POST", True),
    ("drop", "POST", False),
    ("run", "GET", True),
]


@headwaiter_only("only with channel_request_lookahead")
@pytest.mark.parametrize(("setting", "method", "runs"), ABANDONED)
def test_abandoned_requests(serve: Serve, setting: str, method: str, runs: bool) -> None:
    gate = Gate()
    server = serve(gate, threads=1, abandoned_requests=setting)
    busy = gate.occupy(server)
    gone = server.connect()
    gone.request("/gone", method, body=b"x" if method == "POST" else None)
    settle(server)
    gone.reset()
    settle(server)
    gate.release.set()
    assert busy.reply().status == 200
    assert server.ask("/last").status == 200
    server.close()
    assert ("/gone" in gate.calls) is runs


@headwaiter_only("only with channel_request_lookahead")
def test_a_half_closed_client_in_the_queue_is_served(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, threads=1)
    busy = gate.occupy(server)
    with server.connect() as client:
        client.request("/half-closed")
        client.half_close()
        settle(server)
        gate.release.set()
        assert client.reply().status == 200
    assert busy.reply().status == 200

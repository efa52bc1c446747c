"""Thousands of connections that do nothing, or nearly nothing: the others do not notice."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support import procfs
from tests.support.http import Client, render
from tests.support.process import ServerProcess, start_server
from tests.support.target import headwaiter_only

from .measure import Latencies

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and many descriptors"),
    headwaiter_only("it stops accepting at its connection_limit"),
]
SCALE = float(os.environ.get("HEADWAITER_TEST_CROWD", "1"))
IDLE, DRIPPING = int(5000 * SCALE), int(1000 * SCALE)
HEADER_TIMEOUT = 4.0


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Raises the limit of this process, and of what it starts."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = (IDLE + DRIPPING) * 3 // 2
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"needs {wanted} descriptors, the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_five_thousand_idle_and_a_thousand_dripping() -> None:
    with start_server(header_timeout=HEADER_TIMEOUT) as server, ExitStack() as stack:
        idle = [stack.enter_context(server.connect()) for _ in range(IDLE)]
        for client in idle[::10]:  # some have been used
            assert client.ask().status == 200
        drip = Drip([stack.enter_context(server.connect()) for _ in range(DRIPPING)])
        drip.start()
        latencies = Latencies(f"GET / beside {IDLE} idle and {DRIPPING} dripping channels")
        end = time.monotonic() + HEADER_TIMEOUT
        while time.monotonic() < end:
            latencies.measure(lambda: check_hello(server))
        drip.join()
        print(f"\n{latencies}\n{drip}, RSS {procfs.rss(server.pid) / 2**20:.0f} MiB")
        assert latencies.quantile(0.5) < 0.05
        assert latencies.quantile(0.99) < 0.5
        assert drip.answers == [408] * DRIPPING
        assert min(drip.ended) > HEADER_TIMEOUT - 0.1, "a drip does not shorten the deadline"
        assert max(drip.ended) < HEADER_TIMEOUT + 3, "nor does it put it off"
        assert not select_readable(idle), "an idle channel was closed"
        assert idle[-1].ask().status == 200


def check_hello(server: ServerProcess) -> None:
    with Client(server.address) as client:
        assert client.ask().body == b"hello"


def select_readable(clients: list[Client]) -> list[int]:
    """Those that have something to read: bytes, or the end."""
    poll = select.poll()
    for client in clients:
        poll.register(client.sock, select.POLLIN)
    return [number for number, _ in poll.poll(0)]


class Drip(threading.Thread):
    """Sends one byte of a head a second on each connection until the server has had enough."""

    def __init__(self, clients: list[Client]) -> None:
        super().__init__(name="drip")
        self.waiting = {client.sock.fileno(): client for client in clients}
        self.began: dict[int, float] = {}
        self.ended: list[float] = []
        self.answers: list[int] = []

    def run(self) -> None:
        poll = select.poll()
        for number, client in self.waiting.items():
            client.send(b"G")
            self.began[number] = time.monotonic()
            poll.register(number, select.POLLIN)
        next_drop = time.monotonic() + 1.0
        data = render()[1:]
        give_up = time.monotonic() + HEADER_TIMEOUT * 3
        while self.waiting and time.monotonic() < give_up:
            for number, _ in poll.poll(max(0.0, next_drop - time.monotonic()) * 1000):
                poll.unregister(number)
                self.answer(number, self.waiting.pop(number))
            if time.monotonic() >= next_drop:
                next_drop += 1.0
                for client in self.waiting.values():
                    client.send(data[:1])
                data = data[1:]

    def answer(self, number: int, client: Client) -> None:
        self.ended.append(time.monotonic() - self.began[number])
        self.answers.append(client.reply().status)

    def __str__(self) -> str:
        return (
            f"{len(self.answers)} drips answered by {set(self.answers)} between"
            f" {min(self.ended):.2f} and {max(self.ended):.2f} s"
        )


@pytest.mark.usefixtures("many_descriptors")
def test_a_crowd_that_leaves_at_once() -> None:
    """All of them close in the same moment; descriptors come back and the server answers."""
    with start_server() as server:
        check_hello(server)
        base = len(procfs.descriptors(server.pid))
        crowd = [Client(server.address) for _ in range(IDLE)]
        assert crowd[-1].ask().status == 200
        for client in crowd:
            client.reset()
        latencies = Latencies("GET / after they left")
        for _ in range(20):
            latencies.measure(lambda: check_hello(server))
        print(f"\n{latencies}")
        moment = threading.Event()
        for _ in range(200):
            if len(procfs.descriptors(server.pid)) <= base + 2:
                break
            moment.wait(0.05)  # nothing tells that the last one has been closed
        assert len(procfs.descriptors(server.pid)) <= base + 2
        assert latencies.quantile(1.0) < 2.0

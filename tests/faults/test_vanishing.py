"""Clients that vanish by the thousand: afterwards the server is as it was, and at rest.

``HEADWAITER_TEST_ABORTS`` says how many of each kind (the suite: 4,000; before a release: 100,000).
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support import procfs
from tests.support.http import Client, chunked, render
from tests.support.process import ServerProcess, start_server
from tests.support.target import headwaiter_only

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not procfs.AVAILABLE, reason="needs /proc"),
    headwaiter_only("it reads from them to the end"),
]
ABORTS = int(os.environ.get("HEADWAITER_TEST_ABORTS", "4000"))
CLIENTS = 4
BODY = bytes(100_000)
UPLOADS = (
    render("/", "POST", body=BODY),
    render("/", "POST", [("Transfer-Encoding", "chunked")]) + chunked(*[BODY[:5000]] * 20),
)
DOWNLOAD = render("/stream?mib=1")


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    """A server that must be the same after the test, with nothing on stderr that is a fault."""
    with start_server(
        "tests.faults.apps:downloads",
        threads=4,
        inbuf_overflow=16384,
        outbuf_overflow=65536,
        channel_timeout=86400,  # the connection of old waits as long as the test takes
    ) as server:
        with server.connect() as client:
            for _ in range(10):
                assert client.ask().status == 200
            base = descriptors_at_rest(server)
            yield server
            assert client.ask().status == 200, "a connection of old"
            assert descriptors_at_rest(server, base) <= base
        before = procfs.cpu_seconds(server.pid)
        threading.Event().wait(0.5)  # half a second of nothing is what is measured
        assert procfs.cpu_seconds(server.pid) - before <= 0.05, "it does not come to rest"
        # As many requests at once as there are workers: none was lost to one of the departed.
        with ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(lambda _: server.ask("/stream?mib=4"), range(4)))
        assert [len(reply.body) for reply in replies] == [4 << 20] * 4
    assert "Traceback" not in server.log
    assert "panick" not in server.log


def descriptors_at_rest(server: ServerProcess, at_most: int = 0) -> int:
    """Descriptors, once there are ``at_most`` of them or their number stands still."""
    moment, before, count, steady = threading.Event(), -1, 0, 0
    while steady < 10:
        count = len(procfs.descriptors(server.pid))
        if count <= at_most:
            break
        steady = steady + 1 if count == before else 0
        before = count
        moment.wait(0.05)  # nothing tells that the last one has been closed
    return count


def crowd(server: ServerProcess, vanish: Callable[[Client, random.Random], None]) -> None:
    """Lets ``ABORTS`` connections vanish, a few at a time."""

    def share(number: int) -> None:
        source = random.Random(number)
        for _ in range(ABORTS // CLIENTS):
            client = Client(server.address)
            try:
                vanish(client, source)
            except ConnectionError:  # cut by the other side first: also a way to go
                client.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(share, range(CLIENTS)))


def depart(client: Client, source: random.Random) -> None:
    if source.random() < 0.7:
        client.reset()
    else:
        client.close()


def test_connect_and_reset(server: ServerProcess) -> None:
    crowd(server, lambda client, _: client.reset())


def test_aborts_at_any_offset_of_a_request(server: ServerProcess) -> None:
    def vanish(client: Client, source: random.Random) -> None:
        data = source.choice(UPLOADS)
        # Half of them inside the head, where most of the states are.
        end = source.choice((200, len(data)))
        client.send(data[: source.randrange(end)])
        depart(client, source)

    crowd(server, vanish)


def test_aborts_at_any_offset_of_a_reply(server: ServerProcess) -> None:
    def vanish(client: Client, source: random.Random) -> None:
        client.send(DOWNLOAD)
        wanted = source.choice((0, 100, source.randrange(1 << 20)))
        while wanted > 0 and (data := client.sock.recv(min(wanted, 1 << 18))):
            wanted -= len(data)
        depart(client, source)

    crowd(server, vanish)


def test_aborts_behind_pipelined_requests(server: ServerProcess) -> None:
    def vanish(client: Client, source: random.Random) -> None:
        client.send(render() * source.randrange(1, 20) + DOWNLOAD)
        if source.random() < 0.5:
            client.sock.recv(source.randrange(1, 2000))
        depart(client, source)

    crowd(server, vanish)

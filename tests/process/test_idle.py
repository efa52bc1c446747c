"""What doing nothing costs: no wake-ups, no processor time, little memory per open connection."""

from __future__ import annotations

from typing import Callable

import pytest

from tests.support import procfs
from tests.support.process import start_server
from tests.support.target import headwaiter_only
from tests.support.waiting import pause

pytestmark = [
    pytest.mark.skipif(not procfs.AVAILABLE, reason="reads /proc"),
    headwaiter_only("it wakes up every second"),
]


def test_an_idle_server_makes_no_wake_ups() -> None:
    with start_server() as server:
        server.ask()
        pause(1.5)  # whatever follows a request has settled
        before = procfs.switches(server.pid)
        pause(1.5)
        # reading /proc wakes nothing; a poll of ten times a second would be 15 and more
        assert procfs.switches(server.pid) - before <= 4


@pytest.mark.slow
def test_a_thousand_idle_channels(record_property: Callable[[str, object], None]) -> None:
    with start_server(connection_limit=2000) as server:
        first = server.connect()
        assert first.ask().status == 200
        memory = procfs.rss(server.pid)
        clients = [server.connect() for _ in range(1000)]
        for client in clients:
            assert client.ask().status == 200
        each = (procfs.rss(server.pid) - memory) / len(clients)
        pause(1)
        before = procfs.cpu_seconds(server.pid)
        pause(10)
        spent = procfs.cpu_seconds(server.pid) - before
        record_property("idle channel, bytes of RSS", each)
        record_property("1,000 idle channels for 10 s, seconds of CPU", spent)
        print(f"\n1,000 idle channels: {each:.0f} bytes each, {spent:.3f} s of CPU in 10 s")
        assert spent <= 0.02
        assert each < 4096
        for client in (clients[0], clients[-1], first):
            assert client.ask().body == b"hello"


@pytest.mark.slow
def test_half_closed_clients_cost_no_cpu() -> None:
    """A hang-up that is not acted upon makes a level-triggered loop spin."""
    with start_server("tests.support.apps:sleepy", threads=2) as server:
        clients = [server.connect() for _ in range(50)]
        for client in clients:
            client.request("/?seconds=2")
            client.half_close()
        server.wait_for_log("began")
        before = procfs.cpu_seconds(server.pid)
        pause(1.5)
        assert procfs.cpu_seconds(server.pid) - before < 0.3
        for client in clients[:2]:
            assert client.reply().status == 200
        server.kill()  # there is a minute of requests left

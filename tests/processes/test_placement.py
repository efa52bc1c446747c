"""Which process serves: the one with a free worker, whoever accepted the connection."""

from __future__ import annotations

import collections
import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.http import Client, render

from .test_serving import start

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one process there")


def process(client: Client) -> int:
    """Which process replies to what the client has sent; the connection has to stay."""
    reply = client.reply()
    assert reply.status == 200
    assert not reply.closing
    found: int = json.loads(reply.body)["pid"]
    return found


def ask(client: Client) -> int:
    client.send(render("/"))
    return process(client)


def burst(processes: int) -> collections.Counter[int]:
    """How many of 64 connections that come at once each process has."""
    with start(processes=processes) as server, ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(64)]
        shares = collections.Counter(map(ask, clients))
        stack.close()
        server.stop()
    return shares


@pytest.mark.parametrize("processes", [2, 4])
def test_a_burst_of_connections_is_spread_evenly(processes: int) -> None:
    """On a busy machine not every burst: a process without CPU for 250 ms is sent no more."""
    uneven = []
    while len(shares := burst(processes)) < processes or (
        max(shares.values()) > 1.25 * min(shares.values())
    ):
        uneven.append(shares)
        assert len(uneven) < 5, uneven


@pytest.mark.parametrize(("how", "threads"), [("fifo", 1), ("hold", 1), ("hold", 4)])
def test_a_long_request_holds_up_nobody(tmp_path: Path, how: str, threads: int) -> None:
    """Half of the connections are those of the process that runs it."""
    if how == "hold" and threads > 1 and not getattr(sys, "_is_gil_enabled", lambda: True)():
        pytest.skip("there is no GIL to hold")
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with start(processes=2, threads=threads) as server, ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(100)]
        homes = list(map(ask, clients))
        slow = stack.enter_context(server.connect())
        slow.send(render(f"/slow?{how}={gate}"))
        opened = os.open(gate, os.O_WRONLY)  # returns when the request runs
        for client in clients:
            client.send(render("/"))
        new = [stack.enter_context(server.connect()) for _ in range(10)]
        answering = {process(client) for client in clients} | set(map(ask, new))
        assert len(answering) == 1
        os.write(opened, b"x")
        os.close(opened)
        assert {process(slow), *answering} == set(homes)
        stack.close()
        server.stop()

"""The advice names applications for what they are."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any

import pytest

from ..support.http import Client
from ..support.process import ServerProcess, start_server

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
CLIENTS = 12
SECONDS = 3.0


def load(server: ServerProcess) -> None:
    end = time.monotonic() + SECONDS

    def client() -> None:
        with Client(server.addresses[0]) as client:
            while time.monotonic() < end:
                assert client.ask("/").status == 200

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()


def advice(server: ServerProcess) -> dict[str, Any]:
    with Client(server.addresses[1]) as client:
        status: dict[str, Any] = json.loads(
            client.ask("/status.json", headers=[("Host", "localhost")]).body
        )
    found: dict[str, Any] = status["advice"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("app", "kinds"),
    [
        ("sleeping", {"threads"}),
        # On one core neither the GIL nor the CPU is the narrower of the two. Other processes may
        # take it.
        ("spinning", {"gil", "starved"} if CORES > 1 else {"gil", "cpu", "starved"}),
        ("hashing", {"cpu", "starved"}),
    ],
)
def test_each_nature_has_its_advice(app: str, kinds: set[str]) -> None:
    with start_server(f"tests.observe.apps:{app}", addresses=2, admin="127.0.0.1:0") as server:
        load(server)
        found = advice(server)
    assert found["kind"] in kinds, found
    if app == "sleeping":
        assert 12 <= found["threads"] <= 16, found
    assert "advice for the whole run" in server.log


def test_an_idle_server_needs_none() -> None:
    with start_server("tests.support.apps:hello", addresses=2, admin="127.0.0.1:0") as server:
        assert advice(server)["kind"] == "idle"
    assert "advice" not in server.log

"""Processes come and go under every kind of load; not one request and not one connection is lost.

``HEADWAITER_TEST_LOAD_ROUNDS=10`` repeats each of it ten times.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import Any, Callable

import pytest

from tests.support.http import Client
from tests.support.process import ServerProcess, start_server
from tests.support.waiting import eventually

from .load import Load

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="one process there"),
    pytest.mark.slow,
]
ROUNDS = int(os.environ.get("HEADWAITER_TEST_LOAD_ROUNDS", "1"))
PATIENCE = 60.0


def seen(server: ServerProcess, pattern: str, count: int) -> None:
    server.wait_for_log(rf"(?s)({pattern}.*){{{count}}}", PATIENCE)


def reload(server: ServerProcess, count: int) -> None:
    server.signal(signal.SIGHUP)
    seen(server, "every process is new", count)


def scale(server: ServerProcess, count: int) -> None:
    server.signal(signal.SIGTTIN)
    seen(server, "is ready", 2 + count)
    server.signal(signal.SIGTTOU)
    seen(server, "exited with status 0", count)


def recycle(server: ServerProcess, count: int) -> None:
    seen(server, "exited with status 0", 3 * count)


@pytest.mark.parametrize(
    ("change", "settings"),
    [(reload, {}), (scale, {}), (recycle, {"max_requests": 100})],
    ids=["reload", "scale", "recycle"],
)
def test_nothing_is_lost(
    change: Callable[[ServerProcess, int], None], settings: dict[str, Any]
) -> None:
    settings = {"threads": 8, "admin": "127.0.0.1:0", "processes": 2, **settings}
    counted = [0]
    with start_server("tests.processes.loaded:application", addresses=2, **settings) as server:
        seen(server, "is ready", 2)
        with Load(server.address) as load:
            for count in range(1, ROUNDS + 1):
                change(server, count)
                counted.append(replies(server))
        assert load.failures == []
        assert counted == sorted(counted), "a counter has fallen"
        # A worker that has sent a reply may be about to tell its I/O thread.
        eventually(lambda: replies(server) == load.counts["replies"], "every reply is counted")
        server.stop()


def replies(server: ServerProcess) -> int:
    """The replies that the metrics count, of all processes."""
    with Client(server.addresses[1]) as client:
        text = client.ask("/metrics", headers=[("Host", "127.0.0.1")]).text
    found = re.findall(r'^headwaiter_requests_total\{status="[23]xx"\} (\d+)', text, re.MULTILINE)
    assert found, text
    return sum(map(int, found))

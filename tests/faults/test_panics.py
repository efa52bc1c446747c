"""A bug of headwaiter's own costs one reply, never the process: panics injected at each boundary.

Debug builds only (`make test` makes one): a release build has no points to inject at.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from headwaiter import _headwaiter
from tests.support.http import Client
from tests.support.process import ServerProcess, run_cli, start_server
from tests.support.target import IS_WAITRESS, headwaiter_only

POINTS = [] if IS_WAITRESS else list(_headwaiter.PANIC_POINTS)
ROUNDS = 12


def ask(server: ServerProcess) -> int | None:
    """The status of a request on a connection of its own; ``None`` if it is cut."""
    client: Client = server.connect()
    try:
        return client.ask().status
    except (AssertionError, ConnectionError, EOFError):
        return None
    finally:
        client.close()


@pytest.mark.skipif(not POINTS, reason="a release build: no panics can be injected")
@pytest.mark.parametrize("number", [1, 5])
@pytest.mark.parametrize("point", POINTS)
def test_a_panic_costs_one_reply(point: str, number: int) -> None:
    # A reply in pieces passes the points of small replies, and those of streams; but a worker sends
    # by itself what is small, and where nobody lends it the loop.
    app = "tests.support.apps:hello" if point == "park" else "tests.faults.apps:in_pieces"
    server = start_server(
        app,
        env={
            "HEADWAITER_INJECT_PANIC": f"{point}:{number}",
            "HEADWAITER_HANDOFF": "dedicated" if point == "park" else "",
        },
    )
    with server:
        for _ in range(number):
            server.connect()  # and no more: the drain is to come across it
        statuses = [ask(server) for _ in range(ROUNDS)]
        lost = [status for status in statuses if status != 200]
        assert len(lost) <= 1, statuses
        assert set(lost) <= {None, 500}
        # The log's thread may lag behind the replies: the log is complete once the server has left.
        server.stop(expect=0)
        # By the language, and by the log.
        assert server.log.count(f"injected at {point}") >= 2


@headwaiter_only("its workers import nothing")
def test_workers_that_cannot_begin_end_the_server(tmp_path: Path) -> None:
    """Nobody would be left to serve what comes in."""
    (tmp_path / "unworkable.py").write_text(
        "import sys\n"
        "from tests.support.apps import hello as app\n"
        "sys.modules['types'] = None  # which workers import as they begin\n"
    )
    ended = run_cli("--listen=127.0.0.1:0", "unworkable:app", PYTHONPATH=str(tmp_path))
    assert ended.returncode == 1
    assert "cannot serve: no worker thread could begin" in ended.stderr
    assert "Traceback" not in ended.stderr

"""The logger ``headwaiter.queue`` speaks only when requests have really waited."""

from __future__ import annotations

import re
import sys
import threading

import pytest

from tests.conftest import Serve
from tests.support.live import LogCatcher
from tests.support.target import headwaiter_only
from tests.support.wsgi import Environ, StartResponse

pytestmark = [
    headwaiter_only("it warns of every request that no thread takes at once"),
    pytest.mark.skipif(sys.platform == "win32", reason="ticks of 15 ms"),
]


WAITS = re.compile(r"oldest task waits (\d+) ms")


def test_requests_that_wait_for_nobody_are_not_mentioned(serve: Serve, logs: LogCatcher) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "0")])
        return []

    server = serve(app, threads=1)
    for _ in range(50):
        assert server.ask().status == 200
    server.close()
    said = logs.matching(lambda record: record.name == "headwaiter.queue")
    # On a machine that is busy they may have had to wait.
    for record in said:
        found = WAITS.search(record.getMessage())
        assert found, record.getMessage()
        assert int(found[1]) >= 50
    assert len(said) < 50


def test_a_request_that_waits_is_named_with_its_wait(serve: Serve, logs: LogCatcher) -> None:
    go_on = threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        if environ["PATH_INFO"] == "/long":
            assert go_on.wait(60)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    server = serve(app, threads=1)
    with server.connect() as first, server.connect() as second:
        first.request("/long")
        second.request("/waits")
        record = logs.wait_for("Task queue depth is")
        go_on.set()
        assert (first.reply().status, second.reply().status) == (200, 200)
    assert (record.name, record.levelname) == ("headwaiter.queue", "WARNING")
    found = re.fullmatch(
        r"Task queue depth is 1; 1 of 1 workers busy; oldest task waits (\d+) ms; "
        r"slowest: GET /\w+, \d+\.\d s",
        record.getMessage(),
    )
    assert found, record.getMessage()
    assert int(found[1]) >= 50

"""Datadog's tracer, whose agent is a collector of the test."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from tests.support.process import ServerProcess
from tests.support.target import headwaiter_only
from tests.support.waiting import eventually

from .collector import Collector
from .starting import needs, start_under

pytestmark = [needs("ddtrace"), headwaiter_only("the recipe is for headwaiter")]


def start(collector: Collector, app: str, **settings: object) -> ServerProcess:
    env = {
        "DD_TRACE_AGENT_URL": collector.url,
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    }
    return start_under("ddtrace-run", app=f"tests.apm.apps:{app}", env=env, **settings)


@pytest.mark.parametrize("processes", [1, 2])
def test_flask_is_traced_by_itself(collector: Collector, processes: int) -> None:
    with start(collector, "app", processes=processes) as server:
        assert server.ask("/orders/17").status == 200
        collector.wait_for("/traces", b"flask.request", b"GET /orders/<int:number>")


def test_plain_wsgi_needs_the_tracers_middleware(collector: Collector) -> None:
    with start(collector, "datadog_plain", call=True) as server:
        assert server.ask("/orders/17").text == "plain"
        collector.wait_for("/traces", b"wsgi.request", b"GET /orders/17")


@pytest.mark.parametrize("processes", [1, 2])
def test_a_stop_finishes_what_runs_and_sends_its_traces(
    collector: Collector, tmp_path: Path, processes: int
) -> None:
    """The tracer's own handler of SIGTERM would end the process."""
    with start(collector, "app", processes=processes) as server:
        answers: list[str] = []
        path = tmp_path / "end"
        asking = threading.Thread(target=lambda: answers.append(server.ask(f"/until{path}").text))
        asking.start()
        eventually(path.with_suffix(".runs").exists, "the view runs")
        server.signal(signal.SIGTERM)
        server.wait_for_log("SIGTERM: ")
        path.touch()
        assert server.wait() == 0
        asking.join()
        assert answers == ["ended"]
        collector.wait_for("/traces", b"GET /until/<path:file>")

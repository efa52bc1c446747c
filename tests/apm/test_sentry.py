"""Sentry, whose service is a collector of the test."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.process import ServerProcess, start_server
from tests.support.target import headwaiter_only

from .collector import Collector
from .starting import needs

pytestmark = [needs("sentry_sdk"), headwaiter_only("the recipe is for headwaiter")]


def start(collector: Collector, app: str, **settings: Any) -> ServerProcess:
    dsn = collector.url.replace("http://", "http://key@") + "/1"
    env = {"SENTRY_DSN": dsn}
    return start_server(f"tests.apm.apps:{app}", call=True, env=env, **settings)


def events(collector: Collector, kind: str) -> list[dict[str, Any]]:
    """The items of this kind in all envelopes: lines of JSON, a head before each item."""
    found = []
    for body in collector.bodies("/envelope"):
        lines = body.splitlines()[1:]
        found += [
            json.loads(item)
            for head, item in zip(lines[::2], lines[1::2])
            if json.loads(head)["type"] == kind
        ]
    return found


@pytest.mark.parametrize("settings", [{}, {"processes": 2}, {"processes": 2, "preload": True}])
def test_flask_is_reported_by_itself(collector: Collector, settings: dict[str, Any]) -> None:
    with start(collector, "sentry", **settings) as server:
        assert server.ask("/orders/17").status == 200
        assert server.ask("/broken").status == 500
        collector.wait_for("/envelope", b'"type":"event"', b"an error that is reported")
    transactions = {event["transaction"] for event in events(collector, "transaction")}
    assert transactions == {"order", "broken"}
    errors = events(collector, "event")
    assert [event["transaction"] for event in errors] == ["broken"]


def test_plain_wsgi_needs_the_middleware(collector: Collector) -> None:
    with start(collector, "sentry_plain") as server:
        assert server.ask("/orders/17").text == "plain"
        assert server.ask("/broken").status == 500
        collector.wait_for("/envelope", b'"type":"event"', b"an error that is reported")
    assert len(events(collector, "transaction")) == 2
    (error,) = events(collector, "event")
    assert error["request"]["url"].endswith("/broken")


def test_without_it_the_servers_log_reports_the_error(collector: Collector) -> None:
    with start(collector, "sentry_by_the_log") as server:
        assert server.ask("/broken").status == 500
        collector.wait_for("/envelope", b"an error that is reported")
    (error,) = events(collector, "event")
    assert error["logger"] == "headwaiter"

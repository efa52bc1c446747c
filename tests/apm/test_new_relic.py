"""New Relic in its developer mode: the agent works as ever and keeps what it would send."""

from __future__ import annotations

import json

import pytest

from tests.support.process import ServerProcess
from tests.support.target import headwaiter_only
from tests.support.waiting import eventually

from .starting import needs, start_under

pytestmark = [needs("newrelic"), headwaiter_only("New Relic knows Waitress by name")]

ENVIRONMENT = {
    "NEW_RELIC_DEVELOPER_MODE": "true",
    "NEW_RELIC_LICENSE_KEY": "0" * 40,
    "NEW_RELIC_APP_NAME": "headwaiter",
    "NEW_RELIC_STARTUP_TIMEOUT": "10",
    "NEW_RELIC_LOG": "stderr",
}


def start(app: str, **settings: object) -> ServerProcess:
    app = f"tests.apm.new_relic_apps:{app}"
    return start_under("newrelic-admin", "run-program", app=app, env=ENVIRONMENT, **settings)


def seen(server: ServerProcess) -> list[str]:
    names: list[str] = json.loads(server.ask("/seen").body)
    return [name for name in names if name.startswith("WebTransaction/")]


@pytest.mark.parametrize("settings", [{}, {"processes": 2}, {"processes": 2, "preload": True}])
def test_flask_is_traced_by_itself(settings: dict[str, object]) -> None:
    with start("flask", **settings) as server:

        def is_seen() -> bool:
            assert server.ask("/orders/17").status == 200
            return seen(server) == ["WebTransaction/Function/tests.apm.apps:order"]

        eventually(is_seen, "a transaction of the view", timeout=30)


def test_plain_wsgi_needs_the_agents_wrapper() -> None:
    with start("wrapped") as server:

        def is_seen() -> bool:
            assert server.ask("/orders/17").text == "plain"
            return seen(server) == ["WebTransaction/Uri/orders/17"]

        eventually(is_seen, "a transaction of the path", timeout=30)
    with start("plain") as server:
        assert server.ask("/orders/17").text == "plain"
        assert seen(server) == []

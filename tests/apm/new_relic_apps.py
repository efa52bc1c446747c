"""Applications that also tell what the agent has recorded of earlier requests, at ``/seen``."""

from __future__ import annotations

import json
from collections.abc import Iterable

import newrelic.agent
from newrelic.core.agent import agent_instance

from tests.support.wsgi import App, Environ, StartResponse

from . import apps


def telling(app: App) -> App:
    def told(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/seen":
            return seen(start_response)
        return app(environ, start_response)

    return told


def seen(start_response: StartResponse) -> Iterable[bytes]:
    """The names of all metrics in the agent's memory."""
    names: set[str] = set()
    for application in agent_instance()._applications.values():
        names |= {name for name, _ in list(application._stats_engine.stats_table)}
    body = json.dumps(sorted(names)).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


flask = telling(apps.app)
plain = telling(apps.plain)
wrapped = telling(newrelic.agent.WSGIApplicationWrapper(apps.plain))

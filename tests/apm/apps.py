"""What the agents look at: Flask, which they know, and plain WSGI, which they do not."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import flask

from tests.support.waiting import eventually
from tests.support.wsgi import App, Environ, StartResponse

app = flask.Flask(__name__)


@app.get("/orders/<int:number>")
def order(number: int) -> str:
    return f"{os.getpid()} {number}"


@app.get("/until/<path:file>")
def until(file: str) -> str:
    """Says by a file that it runs, and ends when there is another."""
    place = Path("/", file)
    place.with_suffix(".runs").touch()
    eventually(place.exists, "the word to end")
    return "ended"


@app.get("/broken")
def broken() -> str:
    raise RuntimeError("an error that is reported")


def plain(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/broken":
        raise RuntimeError("an error that is reported")
    start_response("200 OK", [("Content-Length", "5")])
    return [b"plain"]


def datadog_plain() -> App:
    from ddtrace.contrib.wsgi import DDWSGIMiddleware

    wrapped: App = DDWSGIMiddleware(plain)
    return wrapped


def sentry() -> App:
    """Flask, with Sentry as its documentation has it."""
    import sentry_sdk

    sentry_sdk.init(dsn=os.environ["SENTRY_DSN"], traces_sample_rate=1.0)
    return app


def sentry_plain() -> App:
    import sentry_sdk
    from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

    sentry_sdk.init(dsn=os.environ["SENTRY_DSN"], traces_sample_rate=1.0)
    wrapped: App = SentryWsgiMiddleware(plain)
    return wrapped


def sentry_by_the_log() -> App:
    import sentry_sdk

    sentry_sdk.init(dsn=os.environ["SENTRY_DSN"])
    return plain

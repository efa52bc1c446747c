"""The same application in frameworks that have routes.

``/orders/17`` waits until somebody asks for ``/open``, ``/orders/17/broken`` raises, and
``/stream/17`` waits twice: in the view, and when the framework has left and its reply is sent.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from ..support.http import TIMEOUT
from ..support.wsgi import App

GATE, SECOND_GATE = threading.Event(), threading.Event()


def wait() -> str:
    assert GATE.wait(2 * TIMEOUT)
    return "done"


def deeply(frames: int = 100) -> str:
    """Waits where no look names the framework's own frames."""
    return deeply(frames - 1) if frames else wait()


def rest() -> Iterator[bytes]:
    yield b"begun "
    wait_for_the_second_gate()
    yield b"done"


def wait_for_the_second_gate() -> None:
    assert SECOND_GATE.wait(2 * TIMEOUT)


def open_gate() -> str:
    (SECOND_GATE if GATE.is_set() else GATE).set()
    return "open"


def fail() -> str:
    raise RuntimeError("as it is meant to be")


def flask() -> App:
    from flask import Flask, Response

    app = Flask(__name__)
    app.add_url_rule("/open", "open", open_gate)
    app.add_url_rule("/orders/<int:number>", "order", lambda number: wait())
    app.add_url_rule("/orders/<int:number>/broken", "broken", lambda number: fail())

    def stream(number: int) -> Response:
        wait()
        return Response(rest(), mimetype="text/plain")

    app.add_url_rule("/stream/<int:number>", "stream", stream)
    return app


def bottle() -> App:
    from bottle import Bottle

    app = Bottle()
    app.route("/open", callback=open_gate)
    app.route("/orders/<number:int>", callback=lambda number: wait())
    app.route("/orders/<number:int>/broken", callback=lambda number: fail())
    made: App = app
    return made


def pyramid() -> App:
    from pyramid.config import Configurator
    from pyramid.response import Response

    def view(work: Any) -> Any:
        return lambda _request: Response(work())

    with Configurator() as config:
        for name, path, work in (
            ("open", "/open", open_gate),
            ("order", "/orders/{number}", wait),
            ("broken", "/orders/{number}/broken", fail),
        ):
            config.add_route(name, path)
            config.add_view(view(work), route_name=name)
        made: App = config.make_wsgi_app()
        return made


def django(*middleware: str) -> App:
    from django import setup
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import path, re_path

    def view(work: Any) -> Any:
        return lambda _request, **_number: HttpResponse(work())

    global urlpatterns
    urlpatterns = [
        path("open", view(open_gate)),
        path("orders/<int:number>/", view(wait)),
        path("deep/<int:number>/", view(deeply)),
        re_path(r"^orders/(?P<number>\d+)/broken$", view(fail)),
    ]
    settings.configure(
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=list(middleware),
        ROOT_URLCONF=__name__,
        SECRET_KEY="only for this test",
        USE_TZ=True,
    )
    setup()
    made: App = get_wsgi_application()
    return made


def django_with_middleware() -> App:
    return django("headwaiter.django.middleware.RouteMiddleware")


urlpatterns: list[Any] = []

"""Requests are shown by the route that their framework has found."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from headwaiter._process import routes

from ..conftest import Serve
from ..support.http import Client
from ..support.process import ServerProcess, start_server
from ..support.waiting import eventually
from ..support.wsgi import Environ, StartResponse

MEANWHILE = routes.can_read_running()
"""Whether the variables of running functions are read."""
OF_ITSELF = sys.version_info >= (3, 13)
"""Whether a function of the calling thread is asked for its variables."""


class Trap:
    """An object of the application whose code must not run."""

    rule = "/never"

    @property
    def url_rule(self) -> Trap:
        raise AssertionError("code of the application has run")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("code of the application has run")


class Own(dict):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize(
    ("environ", "route"),
    [
        ({}, None),
        ({"headwaiter.route": "/orders/{id}"}, "/orders/{id}"),
        ({"headwaiter.route": "orders/<int:pk>/"}, "/orders/<int:pk>/"),
        ({"headwaiter.route": ""}, "/"),
        ({"headwaiter.route": r"^orders/(?P<pk>[^/]+)/$"}, "/orders/(?P<pk>[^/]+)/"),
        ({"headwaiter.route": "/orders", "SCRIPT_NAME": "/shop/"}, "/shop/orders"),
        ({"headwaiter.route": "/x" * 100}, "/x" * 60),
        ({"headwaiter.route": b"/orders"}, None),
        ({"werkzeug.request": None}, None),
        ({"werkzeug.request": Trap()}, None),
        ({"bottle.route": Trap()}, None),
        (Own({"headwaiter.route": "/orders"}), None),
        (None, None),
    ],
)
def test_only_what_is_there_is_read(environ: object, route: str | None) -> None:
    assert routes.of_environ(environ) == route


@contextmanager
def served(app: str, **settings: object) -> Iterator[ServerProcess]:
    framework = app.partition("_")[0]
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    settings = {"admin": "127.0.0.1:0", "call": True, **settings}
    with start_server(f"tests.observe.routed:{app}", addresses=2, **settings) as server:  # type: ignore[arg-type]
        yield server


def status(server: ServerProcess) -> Any:
    with Client(server.addresses[1]) as client:
        return json.loads(client.ask("/status.json", headers=[("Host", "localhost")]).body)


def places(server: ServerProcess) -> set[tuple[str, str]]:
    return {(place["route"], place["at"]) for place in status(server)["profile"]["places"]}


@pytest.mark.parametrize(
    ("app", "path", "route", "is_found"),
    [
        ("flask", "/orders/17", "/orders/<int:number>", True),
        ("bottle", "/orders/17", "/orders/<number:int>", True),
        ("django", "/orders/17/", "/orders/<int:number>/", MEANWHILE),
        ("django", "/deep/17/", "/deep/<int:number>/", MEANWHILE),
        ("django_with_middleware", "/orders/17/", "/orders/<int:number>/", True),
        ("pyramid", "/orders/17", "/orders/{number}", MEANWHILE),
    ],
)
def test_the_wait_profile_has_the_frameworks_name(
    app: str, path: str, route: str, is_found: bool
) -> None:
    folded = path.replace("17", "<int>")
    with served(app) as server:
        asking = threading.Thread(target=lambda: server.ask(path))
        asking.start()

        def is_seen() -> bool:
            found = {shown for shown, at in places(server) if "routed.py" in at and " wait" in at}
            return found == {f"GET {route if is_found else folded}"}

        eventually(is_seen, "the view is seen, under one name")
        assert server.ask("/open").text == "open"
        asking.join()


@pytest.mark.parametrize(
    ("app", "route", "is_found"),
    [
        ("flask", "/orders/<int:number>/broken", True),
        ("bottle", "/orders/<number:int>/broken", True),
        ("django", r"/orders/(?P<number>\d+)/broken", OF_ITSELF),
        ("django_with_middleware", r"/orders/(?P<number>\d+)/broken", True),
        ("pyramid", "/orders/{number}/broken", True),
    ],
)
def test_errors_have_the_frameworks_name(app: str, route: str, is_found: bool) -> None:
    shown = route if is_found else "/orders/<int>/broken"
    with served(app) as server:
        assert server.ask("/orders/17/broken").status == 500

        def is_counted() -> bool:
            failed: list[dict[str, Any]] = status(server)["failed"]
            assert len(failed) < 2
            return failed == [{"route": f"GET {shown}", "requests": 1}]

        eventually(is_counted, f"an error of {shown}")


def test_an_environ_is_gone_with_its_request(serve: Serve) -> None:
    class Kept:
        pass

    kept: list[weakref.ref[Kept]] = []

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        environ["kept"] = thing = Kept()
        kept.append(weakref.ref(thing))
        start_response("500 Internal Server Error", [("Content-Length", "0")])
        return []

    server = serve(app, admin="127.0.0.1:0")
    for _ in range(3):
        assert server.ask("/").status == 500
    eventually(lambda: not any(ref() for ref in kept), "nothing is left")


def test_a_reply_that_is_streamed_keeps_its_name() -> None:
    with served("flask") as server:
        asking = threading.Thread(target=lambda: server.ask("/stream/17"))
        asking.start()
        name = "GET /stream/<int:number>"

        def is_in_the_view() -> bool:
            return any(route == name and " wait" in at for route, at in places(server))

        eventually(is_in_the_view, "the view is seen")
        assert server.ask("/open").text == "open"

        def streams() -> set[str]:
            return {route for route, at in places(server) if "wait_for_the_second_gate" in at}

        eventually(lambda: bool(streams()), "the reply is seen")
        assert streams() == {name}
        assert server.ask("/open").text == "open"
        asking.join()


def test_a_slow_request_is_logged_with_its_route() -> None:
    with served("flask", slow_request_log=0.1) as server:
        asking = threading.Thread(target=lambda: server.ask("/orders/17"))
        asking.start()
        server.wait_for_log(
            r"GET /orders/17 of \S+ \(route GET /orders/<int:number>\) runs for 0\.\d s;"
        )
        assert server.ask("/open").text == "open"
        asking.join()

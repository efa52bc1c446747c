"""A list of tasks in Pyramid, mounted under a path of a site with HTTPS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPFound
from pyramid.request import Request
from pyramid.response import Response

SEEN = (
    *("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE"),
    *("CONTENT_LENGTH", "SERVER_PROTOCOL", "SERVER_SOFTWARE", "HTTP_HOST", "HTTP_ACCEPT"),
    *("HTTP_COOKIE", "wsgi.url_scheme", "wsgi.multithread", "wsgi.multiprocess"),
)


def index(request: Request) -> Response:
    reply = Response("tasks", content_type="text/plain")
    reply.set_cookie("user", "7")
    return reply


def seen(request: Request) -> dict[str, Any]:
    found = {key: request.environ.get(key, "") for key in SEEN}
    return {**found, "body": request.body.decode()}


def add(request: Request) -> HTTPFound:
    return HTTPFound(request.route_url("seen", _query={"task": request.POST["task"]}))


def stream(request: Request) -> Response:
    def parts() -> Iterator[bytes]:
        for number in range(3):
            yield b"part %d\n" % number

    return Response(app_iter=parts(), content_type="text/plain")


def main() -> Any:
    with Configurator() as config:
        for name, view in (("index", index), ("seen", seen), ("add", add), ("stream", stream)):
            config.add_route(name, "/" if name == "index" else f"/{name}")
            config.add_view(view, route_name=name, renderer="json" if name == "seen" else None)
        return config.make_wsgi_app()

"""The application in Pyramid."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.response import FileResponse, Response

from . import GREETING, Raised, lines, path, told


def index(_request: Any) -> Any:
    return Response(GREETING)


def form(request: Any) -> Any:
    return Response(request.POST["name"])


def upload(request: Any) -> Any:
    return Response(told(request.POST["file"].file.read()))


def stream(_request: Any) -> Any:
    return Response(app_iter=lines(), content_type="text/plain")


def file(request: Any) -> Any:
    return FileResponse(path(), request=request)


def error(_request: Any) -> Any:
    raise Raised


with Configurator() as config:
    for view in (index, form, upload, stream, file, error):
        name = view.__name__
        config.add_route(name, "/" if view is index else f"/{name}")
        config.add_view(view, route_name=name)
    app = config.make_wsgi_app()

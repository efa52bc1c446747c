"""A Pyramid application as PasteDeploy loads it; ``development.ini`` names it and its server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.config import Configurator

if TYPE_CHECKING:
    from pyramid.request import Request
    from pyramid.router import Router


def index(request: Request) -> dict[str, Any]:
    """Greets with the words of the ini file."""
    return {"greeting": request.registry.settings["greeting"], "you": request.remote_addr}


def main(_global_config: dict[str, str], **settings: str) -> Router:
    """The application factory that PasteDeploy calls with the settings of its section."""
    with Configurator(settings=settings) as config:
        config.add_route("index", "/")
        config.add_view(index, route_name="index", renderer="json")
        return config.make_wsgi_app()

"""Tells the server which route Django has found, for the wait profile and the errors by route.

    MIDDLEWARE = ["headwaiter.django.middleware.RouteMiddleware", ...]

``docs/observing.md`` says where the server finds the route by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from headwaiter._process.routes import ROUTE

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


class RouteMiddleware:
    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: Any) -> None:
        request.META[ROUTE] = request.resolver_match.route  # META is the WSGI environ

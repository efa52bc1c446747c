"""The views of the blog."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path

SEEN = (
    *("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE"),
    *("CONTENT_LENGTH", "SERVER_PROTOCOL", "HTTP_HOST", "HTTP_ACCEPT", "HTTP_COOKIE"),
    *("wsgi.url_scheme", "wsgi.multithread", "wsgi.multiprocess"),
)


def index(request: HttpRequest) -> HttpResponseBase:
    reply = HttpResponse("the blog")
    reply.set_cookie("reader", "7")
    return reply


def seen(request: HttpRequest) -> HttpResponseBase:
    found = {key: request.META.get(key, "") for key in SEEN}
    return JsonResponse({**found, "body": request.body.decode()})


def comment(request: HttpRequest) -> HttpResponseBase:
    return HttpResponseRedirect(f"/posts/{request.POST['post']}/")


def post(request: HttpRequest, number: int) -> HttpResponseBase:
    return HttpResponse(f"post {number} at {request.build_absolute_uri()}")


def stream(request: HttpRequest) -> HttpResponseBase:
    def parts() -> Iterator[str]:
        for number in range(3):
            yield f"part {number}\n"

    return StreamingHttpResponse(parts(), content_type="text/plain")


urlpatterns = [
    path("", index),
    path("seen", seen),
    path("comments", comment),
    path("posts/<int:number>/", post),
    path("stream", stream),
]

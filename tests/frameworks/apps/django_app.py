"""The application in Django, in one file."""

from __future__ import annotations

from pathlib import Path

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path as route

from . import GREETING, Raised, lines, path, told

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for this test",
    USE_TZ=True,
)
django.setup()


def index(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(GREETING)


def form(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.POST["name"])


def upload(request: HttpRequest) -> HttpResponse:
    return HttpResponse(told(request.FILES["file"].read()))


def stream(_request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(lines(), content_type="text/plain")


def file(_request: HttpRequest) -> FileResponse:
    return FileResponse(Path(path()).open("rb"))  # closed with the response


def error(_request: HttpRequest) -> HttpResponse:
    raise Raised


urlpatterns = [
    route("", index),
    route("form", form),
    route("upload", upload),
    route("stream", stream),
    route("file", file),
    route("error", error),
]
app = get_wsgi_application()

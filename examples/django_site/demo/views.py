"""The pages: guest book, files, a streamed reply, and the landing page that explains them all."""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
from typing import TYPE_CHECKING

from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from .forms import NoteForm, UploadForm
from .models import Note, Upload
from .work import number_asked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest

SHOWN = 50


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """The landing page: what to try, and which Python and thread answered."""
    # Absent before Python 3.13, which is the first that can be without the GIL.
    gil_enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    return render(
        request,
        "demo/index.html",
        {
            "server": request.META.get("SERVER_SOFTWARE", "unknown"),
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "gil": "with the GIL" if gil_enabled else "free-threaded, without the GIL",
            "gil_enabled": gil_enabled,
            "cores": os.cpu_count(),
            "thread": threading.current_thread().name,
            "dashboard": dashboard(),
        },
    )


def dashboard() -> str:
    """Where the server's dashboard is, if it was started with ``HEADWAITER_ADMIN``."""
    address = os.environ.get("HEADWAITER_ADMIN", "")
    return f"http://{address}/" if address.startswith(("127.0.0.1:", "localhost:")) else ""


@require_http_methods(["GET", "HEAD", "POST"])
def notes(request: HttpRequest) -> HttpResponse:
    """The guest book: lists the newest lines, stores a new one."""
    form = NoteForm(request.POST) if request.method == "POST" else NoteForm()
    if form.is_valid():
        form.save()
        return redirect("demo:notes")
    context = {"form": form, "notes": Note.objects.all()[:SHOWN]}
    return render(request, "demo/notes.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def files(request: HttpRequest) -> HttpResponse:
    """Lists the uploaded files, takes a new one."""
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if form.is_valid():
        file = form.cleaned_data["file"]
        Upload.objects.create(file=file, name=file.name, size=file.size)
        return redirect("demo:files")
    context = {"form": form, "uploads": Upload.objects.all()[:SHOWN]}
    return render(request, "demo/files.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD"])
def download(_request: HttpRequest, pk: int) -> FileResponse:
    """Sends a file back, always as an attachment: what strangers upload is not shown as a page.

    ``FileResponse`` hands the open file to the server's ``wsgi.file_wrapper``: no worker copies it.
    """
    upload = get_object_or_404(Upload, pk=pk)
    return FileResponse(upload.file.open("rb"), as_attachment=True, filename=upload.name)


@require_GET
def stream(request: HttpRequest) -> HttpResponse:
    """Sends ``?lines=`` lines, one every ``?seconds=``; its worker is taken until the last."""
    lines = int(number_asked(request, "lines", default=10, most=1000))
    pause = number_asked(request, "seconds", default=0.5, most=10)
    reply = StreamingHttpResponse(ticking(lines, pause), content_type="text/plain; charset=utf-8")
    reply["Cache-Control"] = "no-store"
    return reply


def ticking(lines: int, pause: float) -> Iterator[str]:
    """Yields numbered lines, sleeping before each but the first."""
    name = threading.current_thread().name
    for number in range(1, lines + 1):
        if number > 1:
            time.sleep(pause)
        yield f"line {number} of {lines}, from {name}\n"

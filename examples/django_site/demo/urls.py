"""The routes of the example."""

from __future__ import annotations

from django.urls import path

from . import held_up, views, work

app_name = "demo"
urlpatterns = [
    path("", views.index, name="index"),
    path("notes/", views.notes, name="notes"),
    path("files/", views.files, name="files"),
    path("files/<int:pk>/", views.download, name="download"),
    path("stream/", views.stream, name="stream"),
    path("slow/", work.slow, name="slow"),
    path("cpu/", work.cpu, name="cpu"),
    path("hash/", work.hashing, name="hash"),
    path("lock/", held_up.lock, name="lock"),
    path("pool/", held_up.pool, name="pool"),
    path("service/", held_up.service, name="service"),
    path("beside/", held_up.beside, name="beside"),
    path("upload/", held_up.slow_upload, name="upload"),
    path("sink/", held_up.sink, name="sink"),
]

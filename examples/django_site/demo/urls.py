"""The routes of the example."""

from __future__ import annotations

from django.urls import path

from . import views, work

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
]

"""The routes of the example."""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "jobs"
urlpatterns = [
    path("", views.index, name="index"),
    path("jobs/", views.start, name="start"),
    path("jobs/<uuid:pk>/", views.job, name="job"),
    path("jobs/<uuid:pk>/state/", views.state, name="state"),
    path("jobs/<uuid:pk>/cancel/", views.cancel, name="cancel"),
]

"""The routes: everything belongs to the one application."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("", include("jobs.urls"))]

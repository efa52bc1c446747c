"""The project: settings, routes, the WSGI callable, and the Celery application of the workers."""

from __future__ import annotations

from .celery import app

__all__ = ["app"]

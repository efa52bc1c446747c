"""Tells Django about the application."""

from __future__ import annotations

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Nothing beyond the name: no signals, no start-up work."""

    name = "demo"

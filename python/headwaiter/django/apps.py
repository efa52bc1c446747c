"""The app, which Django finds by itself."""

from __future__ import annotations

import sys

from django.apps import AppConfig

NAME = "headwaiter.django"


class HeadwaiterConfig(AppConfig):
    name = NAME
    label = "headwaiter"
    verbose_name = "headwaiter"

    def ready(self) -> None:
        # Of two apps that have a command the first in INSTALLED_APPS wins. Ours adds an option to
        # the command that would win without it, so the order must not matter. Only manage.py has
        # commands; a server need not look for them.
        management = sys.modules.get("django.core.management")
        if management is not None:
            management.get_commands()["runserver"] = NAME

"""``manage.py runserver --headwaiter``: Django's own ``runserver``, with headwaiter as its server.

Everything else is Django's: the address, checks, the banner, the reload, the errors, and the static
files if ``django.contrib.staticfiles`` is installed. Without the option nothing changes. Another
app's ``runserver`` is extended in the same way.
"""

from __future__ import annotations

import os
from typing import Any

from django.apps import apps
from django.core.management import find_commands, load_command_class

from headwaiter.django import development
from headwaiter.django.apps import NAME


def other_runserver() -> str:
    """The app whose ``runserver`` would run without this one: the first that has it."""
    for config in apps.get_app_configs():
        folder = os.path.join(config.path, "management")
        if config.name != NAME and "runserver" in find_commands(folder):
            return str(config.name)
    return "django.core"


Other: Any = type(load_command_class(other_runserver(), "runserver"))


class Command(Other):
    def add_arguments(self, parser: Any) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--headwaiter",
            action="store_true",
            help="Serve with headwaiter in place of Django's own server.",
        )

    def inner_run(self, *args: Any, **options: Any) -> None:
        if options["headwaiter"]:
            threads = {} if options["use_threading"] else {"threads": 1}
            self.server_cls = development.server_class(**threads)
            options["use_threading"] = False  # the server has threads of its own
        super().inner_run(*args, **options)

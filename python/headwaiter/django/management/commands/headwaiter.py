"""``manage.py headwaiter [ADDRESS] [OPTIONS]``: serves the site as in production."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections

from headwaiter import _frameworks

USAGE = "%(prog)s [ADDRESS] [OPTIONS]"
HELP = """\
Serves the site's WSGI_APPLICATION with headwaiter, as in production: without a reload of changed
code, and without static files. ADDRESS is PORT, HOST:PORT or unix:PATH. Every option of headwaiter
is one here, such as --threads=8, --processes=auto or --admin=127.0.0.1:9090:
"python -m headwaiter --help" lists them. runserver --headwaiter is for development.
"""
DEBUG = "DEBUG is True: error pages show settings and code to everyone, and memory grows."


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """A parser of Django's own options; what it does not know are arguments."""
        own = {"usage": USAGE, "allow_abbrev": False}
        parser = super().create_parser(prog_name, subcommand, **own, **kwargs)

        def parse_args(args: Any = None, namespace: Any = None) -> Any:
            options, options.args = parser.parse_known_args(args, namespace)
            return options

        parser.parse_args = parse_args
        return parser

    def handle(self, *arguments: str, **options: Any) -> None:
        if settings.DEBUG:
            self.stderr.write(self.style.WARNING(DEBUG))
        site = _frameworks.Site(
            "manage.py headwaiter", *_application(), paths=_paths(options["pythonpath"])
        )
        connections.close_all()  # the checks may have used some; a fork or exec would keep them
        status = _frameworks.run(arguments, site)
        if status:
            sys.exit(status)


def _application() -> tuple[str, bool]:
    """What serves the site, as ``MODULE:OBJECT``, and whether that is a factory."""
    if settings.WSGI_APPLICATION is None:
        return "django.core.wsgi:get_wsgi_application", True
    module, _, name = settings.WSGI_APPLICATION.rpartition(".")
    return f"{module}:{name}", False


def _paths(given: str | None) -> list[str]:
    """From where this process has imported the project: the folder of manage.py, --pythonpath."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    folder = os.path.dirname(os.path.abspath(script)) if script else ""
    own = [folder] if folder in map(os.path.abspath, sys.path) else []
    return [*([os.path.abspath(given)] if given else []), *own]

"""Small projects of Django, Flask and Pyramid in a folder of the test, and their own commands."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from tests.support.http import TIMEOUT
from tests.support.process import ServerProcess, environment

MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_of_test.settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
SETTINGS = """
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = "only for this test"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "site_of_test.urls"
WSGI_APPLICATION = "site_of_test.wsgi.application"
INSTALLED_APPS = ["django.contrib.staticfiles"]
INSTALLED_APPS += ["headwaiter.django"]
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
USE_TZ = True
"""
URLS = """
import os
from django.http import HttpResponse
from django.urls import path

def index(request):
    return HttpResponse(f"{os.getpid()} {request.META['wsgi.multiprocess']}")

def broken(request, number):
    raise RuntimeError

urlpatterns = [path("", index), path("broken/<int:number>/", broken)]
"""
WSGI = """
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""


def django_project(folder: Path, settings: str = "") -> Path:
    """A project with ``manage.py``; ``settings`` are further lines of its settings."""
    package = folder / "site_of_test"
    (package / "static").mkdir(parents=True)
    files = {
        "manage.py": MANAGE,
        "site_of_test/__init__.py": "",
        "site_of_test/settings.py": SETTINGS + textwrap.dedent(settings),
        "site_of_test/urls.py": URLS,
        "site_of_test/wsgi.py": WSGI,
        "site_of_test/static/one.css": "p { color: black }\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def start(
    *argv: str, cwd: Path, addresses: int = 1, errors: bool = True, **env: str
) -> ServerProcess:
    """Starts a Python program and waits for its addresses; without ``errors`` it may print them on
    standard output."""
    command = [sys.executable, *argv]
    if not errors:
        command = ["/bin/sh", "-c", 'exec "$@" 1>&2', "sh", *command]
    server = ServerProcess(command, environment(**env), cwd, ())
    try:
        server.wait_for_addresses(addresses)
    except BaseException:
        server.kill()
        raise
    return server


def run(*argv: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a Python program to its end."""
    return subprocess.run(
        [sys.executable, *argv],
        cwd=cwd,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT,
        check=False,
    )

"""A Django page as small sites have them: default middleware, one SQLite read, one template.

The database is a file, so every worker thread opens its own connection and `sqlite3` gives up the
GIL around each statement, as it does in production.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.template import engines
from django.urls import path

if TYPE_CHECKING:
    from django.http import HttpRequest

from django.http import HttpResponse

ROWS = 10
DATABASE = Path(tempfile.gettempdir()) / f"headwaiter-bench-{os.getuid()}" / "django.sqlite3"
PAGE = """<!doctype html><title>{{ title }}</title><ul>
{% for name, price in dishes %}<li>{{ name|upper }}: {{ price }}</li>
{% endfor %}</ul>"""

DATABASE.parent.mkdir(mode=0o755, exist_ok=True)
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(DATABASE),
            "CONN_MAX_AGE": None,
        }
    },
    DEBUG=False,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
    ],
    LOGGING_CONFIG=None,
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="benchmark",  # signs nothing: the page sets no cookie
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
)
django.setup()
template = engines["django"].from_string(PAGE)


def index(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, price FROM dish ORDER BY id LIMIT %s", [ROWS])
        dishes = cursor.fetchall()
    return HttpResponse(template.render({"title": "Menu", "dishes": dishes}, request))


def _fill() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS dish (id INTEGER PRIMARY KEY, name, price)")
        for number in range(ROWS):
            cursor.execute(
                "INSERT OR IGNORE INTO dish VALUES (%s, %s, %s)",
                [number, f"Dish {number}", 5 + number],
            )
    # A connection must not be carried over a server's fork.
    connection.close()


urlpatterns = [path("", index)]
_fill()
app = get_wsgi_application()

"""A Django page as small sites have them: default middleware, one query, one template.

The database is a file, and Django opens it anew for each request unless told otherwise; `sqlite3`
gives up the GIL around each statement, so worker threads meet there as they do in production.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, models
from django.http import HttpResponse
from django.template import engines
from django.urls import path

if TYPE_CHECKING:
    from django.http import HttpRequest

ROWS = 10
DATABASE = Path(tempfile.gettempdir()) / f"headwaiter-bench-{os.getuid()}" / "django.sqlite3"
PAGE = """<!doctype html><title>{{ title }}</title><ul>
{% for dish in dishes %}<li>{{ dish.name|upper }}: {{ dish.price }}</li>
{% endfor %}</ul>"""

DATABASE.parent.mkdir(mode=0o755, exist_ok=True)
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(DATABASE)}},
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


class Dish(models.Model):  # type: ignore[misc]  # Django is published without types
    name = models.CharField(max_length=80)
    price = models.IntegerField()

    class Meta:
        app_label = "menu"


def index(request: HttpRequest) -> HttpResponse:
    dishes = Dish.objects.order_by("id")[:ROWS]
    return HttpResponse(template.render({"title": "Menu", "dishes": dishes}, request))


def _fill() -> None:
    if Dish._meta.db_table not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(Dish)
    Dish.objects.bulk_create(
        (Dish(id=number, name=f"Dish {number}", price=5 + number) for number in range(ROWS)),
        ignore_conflicts=True,
    )
    # A connection must not be carried over a server's fork.
    connection.close()


urlpatterns = [path("", index)]
_fill()
app = get_wsgi_application()

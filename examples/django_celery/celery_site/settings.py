"""Settings of the example. ``var`` beside this folder holds its database and its secret key.

The server and the workers need the same database and the same Redis. On several machines the
database is PostgreSQL or MySQL; SQLite serves for one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.environ.get("CELERY_SITE_VAR", BASE_DIR / "var"))
VAR_DIR.mkdir(parents=True, exist_ok=True)


def secret_key(path: Path) -> str:
    """Returns the key kept in ``path``; the first start makes one that only its owner can read."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent) as new:
        new.write(secrets.token_urlsafe(48))
        new.flush()
        # A link appears whole or not at all: of several first starts at once, one makes the key.
        with contextlib.suppress(FileExistsError):
            os.link(new.name, path)
    return path.read_text(encoding="ascii")


SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY") or secret_key(VAR_DIR / "secret_key")
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")

INSTALLED_APPS = ["django.contrib.staticfiles", "jobs"]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "celery_site.urls"
WSGI_APPLICATION = "celery_site.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": VAR_DIR / "db.sqlite3",
        "CONN_MAX_AGE": None,
        "OPTIONS": {"timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
USE_TZ = True

CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0")
# The database has the state of each job, so nobody asks Celery for results.
CELERY_TASK_IGNORE_RESULT = True
# A worker acknowledges a job at its end, and takes no second one meanwhile: idle workers get it.
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# A job that is not acknowledged within an hour goes to another worker, as its own is lost with its
# machine. So no job may take that long.
CELERY_TASK_SOFT_TIME_LIMIT = 1800
# A request does not wait for a Redis that is away: the view answers 503 after these attempts.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.2}
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "socket_timeout": 5}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

"""Settings of the example, as a small site would have them in production.

Whatever the site stores (database, uploads, its secret key) lies in one folder that git ignores:
``var`` beside ``manage.py``, or wherever ``DJANGO_SITE_VAR`` points.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.environ.get("DJANGO_SITE_VAR", BASE_DIR / "var"))
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
DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")

INSTALLED_APPS = ["django.contrib.staticfiles", "demo"]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "django_site.urls"
WSGI_APPLICATION = "django_site.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": VAR_DIR / "db.sqlite3",
        # Worker threads live as long as the server, so each may keep its connection for good.
        "CONN_MAX_AGE": None,
        # Writers wait for one another this many seconds before SQLite calls the database locked.
        "OPTIONS": {"timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MEDIA_ROOT = VAR_DIR / "uploads"

STATIC_URL = "static/"
# WhiteNoise finds the files where they lie, so that nothing has to be collected before a start.
WHITENOISE_USE_FINDERS = True

USE_TZ = True
TIME_ZONE = "UTC"

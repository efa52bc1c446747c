"""Django's settings for the blog."""

from __future__ import annotations

SECRET_KEY = "not a secret: only for a test"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "blog.urls"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
USE_TZ = True

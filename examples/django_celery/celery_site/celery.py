"""The Celery application: ``celery -A celery_site worker``.

The package imports it, so that tasks declared by ``shared_task`` belong to it in the server, too.
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "celery_site.settings")

app = Celery("celery_site")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

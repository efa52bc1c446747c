"""A job: what the server and the workers know of it.

Both sides change a job by updates that name the state they expect, so that of a cancellation and
a result that meet, one wins and the other changes nothing.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import QuerySet


class State(models.TextChoices):
    """The states of a job, in their order; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(models.Model):
    """Counts the primes below ``limit``. Its id cannot be guessed, so only its owner finds it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    limit = models.PositiveIntegerField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.QUEUED)
    percent = models.PositiveSmallIntegerField(default=0)
    primes = models.PositiveIntegerField(null=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created",)

    def __str__(self) -> str:
        return f"{self.limit}: {self.state}"

    @classmethod
    def unfinished(cls, pk: uuid.UUID | str) -> QuerySet[Job]:
        """The job ``pk`` if it may still change, as a query to ``update``."""
        return cls.objects.filter(pk=pk, state__in=(State.QUEUED, State.RUNNING))

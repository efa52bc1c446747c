"""What a Celery worker runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from celery import shared_task
from celery.signals import task_failure

from .models import Job, State

STEPS = 100


@shared_task
def count_primes(pk: str) -> None:
    """Counts the primes of the job ``pk``; stops at the next step once the job is cancelled."""
    limit, primes = Job.objects.values_list("limit", flat=True).get(pk=pk), 0
    for step in range(STEPS):
        if not Job.unfinished(pk).update(state=State.RUNNING, percent=100 * step // STEPS):
            return
        numbers = range(limit * step // STEPS, limit * (step + 1) // STEPS)
        primes += sum(map(is_prime, numbers))
    Job.unfinished(pk).update(state=State.DONE, percent=100, primes=primes)


@task_failure.connect(sender=count_primes)
def mark_as_failed(args: Sequence[str], **_signal: object) -> None:
    """After an exception; the worker sends it, too, if the process that ran the job has died."""
    Job.unfinished(args[0]).update(state=State.FAILED)


def is_prime(number: int) -> bool:
    """Whether ``number`` is a prime, found the slow way: this is the work of the example."""
    return number > 1 and all(number % factor for factor in range(2, math.isqrt(number) + 1))

"""The pages. No view waits for a job: one starts it, one shows it, one cancels it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from kombu.exceptions import OperationalError

from .forms import JobForm
from .models import Job, State
from .tasks import count_primes

if TYPE_CHECKING:
    import uuid

    from django.http import HttpRequest


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """The form that starts a job."""
    return render(request, "jobs/index.html", {"form": JobForm()})


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Queues a job and answers 202 at once; ``Location`` is the page that shows its progress."""
    form = JobForm(request.POST)
    if not form.is_valid():
        return render(request, "jobs/index.html", {"form": form}, status=400)
    # In autocommit, as here, the job is stored before a worker can look for it. Within a
    # transaction, `transaction.on_commit` would have to call `delay`.
    job = Job.objects.create(limit=form.cleaned_data["limit"])
    try:
        count_primes.delay(str(job.pk))
    except OperationalError:
        job.delete()
        reply = render(request, "jobs/unavailable.html", status=503)
        reply["Retry-After"] = "30"
        return reply
    reply = render(request, "jobs/accepted.html", {"job": job}, status=202)
    reply["Location"] = reverse("jobs:job", args=[job.pk])
    return reply


@require_GET
def job(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The progress page; its script asks ``state`` once a second until the job has ended."""
    return render(request, "jobs/job.html", {"job": get_object_or_404(Job, pk=pk)})


@require_GET
@never_cache
def state(_request: HttpRequest, pk: uuid.UUID) -> JsonResponse:
    """The state of a job as JSON."""
    job = get_object_or_404(Job, pk=pk)
    return JsonResponse({"state": job.state, "percent": job.percent, "primes": job.primes})


@require_POST
def cancel(_request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Cancels a job that has not ended. Its worker notices before its next step."""
    job = get_object_or_404(Job, pk=pk)
    Job.unfinished(pk).update(state=State.CANCELLED)
    return redirect("jobs:job", job.pk)

"""Views that take their time in three different ways, and say how they spent it.

Those of ``held_up.py`` wait for one another. Each answers with JSON: the worker's name, the
milliseconds inside the view, and how many of those the thread was really on a processor. The rest
it slept, or waited for the GIL. The landing page draws them.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from typing import TYPE_CHECKING

from django.core.exceptions import BadRequest
from django.http import JsonResponse
from django.views.decorators.http import require_GET

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

MOST_SECONDS = 60


@require_GET
def slow(request: HttpRequest) -> JsonResponse:
    """Sleeps for ``?seconds=``, as a view does that waits for a database or another service."""
    return timed(time.sleep, seconds_asked(request))


@require_GET
def cpu(request: HttpRequest) -> JsonResponse:
    """Runs Python code for ``?seconds=`` of processor time, holding the GIL as such code does."""
    return timed(count_in_python, seconds_asked(request))


@require_GET
def hashing(request: HttpRequest) -> JsonResponse:
    """Hashes for ``?seconds=`` of processor time in C code, which lets go of the GIL meanwhile."""
    return timed(hash_in_c, seconds_asked(request))


def timed(work: Callable[[float], None], seconds: float) -> JsonResponse:
    """Does ``work`` and reports on it."""
    wall, on_cpu = time.perf_counter(), time.thread_time()
    work(seconds)
    report = {
        "thread": threading.current_thread().name,
        "wall_ms": round((time.perf_counter() - wall) * 1000, 1),
        "cpu_ms": round((time.thread_time() - on_cpu) * 1000, 1),
    }
    return JsonResponse(report, headers={"Cache-Control": "no-store"})


def count_in_python(seconds: float) -> None:
    """Spends ``seconds`` of this thread's processor time in the interpreter."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for number in range(10_000):
            number * number


def hash_in_c(seconds: float) -> None:
    """Spends ``seconds`` of this thread's processor time in OpenSSL."""
    block = bytes(1 << 20)
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        hashlib.sha256(block).digest()


def seconds_asked(request: HttpRequest) -> float:
    """The query's ``seconds``, 1 if it names none."""
    return number_asked(request, "seconds", default=1, most=MOST_SECONDS)


def number_asked(request: HttpRequest, name: str, *, default: float, most: float) -> float:
    """Reads a number from 0 to ``most`` from the query; anything else is answered with 400."""
    text = request.GET.get(name)
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= most:  # also turns away NaN
        raise BadRequest(f"{name} must be a number from 0 to {most:g}")
    return number

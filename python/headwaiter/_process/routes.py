"""Which of its framework's routes a request has taken, such as ``/orders/<int:pk>/``.

The wait profile (``looks.py``), the slow-request log and the counts of errors show requests by
route. There are two places to look:

- The WSGI environ. Flask and Bottle leave there what they have found, and anybody may set
  ``headwaiter.route``.
- The variables of the framework's own functions, for Django and Pyramid, and where a middleware
  has copied the environ. Those of a running function can be read without changing them from
  Python 3.13 on (PEP 667).

Rules: nothing here runs code of the application. It reads what an object itself has stored, and
calls no property and no method of it. What is not found, or is of another type, is no route.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import CodeType, FrameType, TracebackType
from typing import Any

ROUTE = "headwaiter.route"
"""The key for applications that name their routes themselves."""

Path = tuple[str, ...]
"""Where a route is: a variable or key, then attributes."""

IN_ENVIRON: tuple[Path, ...] = (
    (ROUTE,),
    ("werkzeug.request", "url_rule", "rule"),
    ("bottle.route", "rule"),
)
IN_FUNCTIONS: dict[tuple[str, str], tuple[Path, ...]] = {
    ("django/core/handlers/wsgi.py", "WSGIHandler.__call__"): (
        ("request", "resolver_match", "route"),
    ),
    ("flask/app.py", "Flask.wsgi_app"): (
        ("ctx", "request", "url_rule", "rule"),
        ("ctx", "_request", "url_rule", "rule"),
    ),
    ("pyramid/router.py", "Router.invoke_request"): (("request", "matched_route", "pattern"),),
}
"""Functions that run as long as the request does, by the ends of their files."""


def paths(code: CodeType) -> tuple[Path, ...]:
    """Where a call of this function knows the route; empty for most functions."""
    name = getattr(code, "co_qualname", code.co_name)
    for (file, function), found in IN_FUNCTIONS.items():
        # Before Python 3.11 a function does not know the name of its class.
        if function.endswith(name) and code.co_filename.replace("\\", "/").endswith(file):
            return found
    return ()


def of_environ(environ: object) -> str | None:
    """The route that the environ offers."""
    return _named(environ, environ, IN_ENVIRON) if type(environ) is dict else None


def of_frame(frame: FrameType, where: tuple[Path, ...], environ: object) -> str | None:
    """The route that a function knows; ``where`` is what :func:`paths` says of its code."""
    return _named(environ, frame.f_locals, where)


def of_caller(environ: object) -> str | None:
    """The route of the request that the calling thread answers."""
    return of_environ(environ) or next(_of_frames(_outwards(sys._getframe()), environ), None)


def of_error(traceback: TracebackType | None, environ: object) -> str | None:
    """The route of the request that has raised an exception: the functions have ended."""
    return of_environ(environ) or next(_of_frames(_inwards(traceback), environ), None)


def of_thread(ident: int, environ: object) -> str | None:
    """The route of the request that another thread answers now."""
    route = of_environ(environ)
    if route is not None or not can_read_running():
        return route
    return next(_of_frames(_outwards(sys._current_frames().get(ident)), environ), None)


def can_read_running() -> bool:
    """Whether the variables of another thread's functions may be read. Without the GIL the thread
    goes on meanwhile."""
    return sys.version_info >= (3, 13) and getattr(sys, "_is_gil_enabled", lambda: True)()


def _of_frames(frames: Iterator[FrameType], environ: object) -> Iterator[str]:
    for frame in frames:
        where = paths(frame.f_code)
        route = of_frame(frame, where, environ) if where else None
        if route is not None:
            yield route


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    if sys.version_info < (3, 13):
        return
    for _ in range(DEEPEST):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _inwards(traceback: TracebackType | None) -> Iterator[FrameType]:
    for _ in range(DEEPEST):
        if traceback is None:
            return
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _named(environ: object, names: Mapping[str, Any], where: tuple[Path, ...]) -> str | None:
    for first, *others in where:
        try:
            found: object = names[first]
            for name in others:
                found = object.__getattribute__(found, "__dict__")[name]
        except (KeyError, AttributeError):  # not yet, or no more
            continue
        if type(found) is str:
            return _shown(environ, found)
    return None


def _shown(environ: object, route: str) -> str:
    """The route with the path at which the application is mounted; without the anchors of a
    regular expression of Django."""
    mounted = environ.get("SCRIPT_NAME") if type(environ) is dict else None
    prefix = mounted.rstrip("/") if type(mounted) is str else ""
    route = route.lstrip("^").lstrip("/")
    return f"{prefix}/{route.removesuffix('$')}"[:LONGEST]


DEEPEST = 256
"""Frames that are looked at: a bound for what it costs."""
LONGEST = 120
"""Characters of a route."""

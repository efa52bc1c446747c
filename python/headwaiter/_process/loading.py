"""Whether the command line is loading an application, whose module must not serve by itself.

``_startup.py`` enters :func:`loading`, ``serve`` asks. A module that calls ``serve`` while it is
imported would never be loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from headwaiter._process import signals


class ServesAlready(RuntimeError):
    """``serve`` was called by a module that the command line loads."""


@contextmanager
def loading(application: str) -> Iterator[None]:
    """The command line loads ``application`` during the block."""
    _loading.append(application)
    try:
        yield
    finally:
        _loading.pop()


def refuse() -> None:
    """Refuse to serve on the thread that loads an application.

    Raises:
        ServesAlready: This is that thread.
    """
    if _loading and signals.on_main_thread():
        raise ServesAlready(f"serve() while headwaiter loads {_loading[-1]!r}, to serve it")


_loading: list[str] = []

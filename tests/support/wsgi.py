"""WSGI types for interpreters older than ``wsgiref.types`` (Python 3.11)."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Callable, Optional, Protocol, Union

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
ExcInfo = Union[
    tuple[type[BaseException], BaseException, Optional[TracebackType]],
    tuple[None, None, None],
]
Write = Callable[[bytes], object]


class StartResponse(Protocol):
    """``start_response`` as PEP 3333 defines it."""

    def __call__(
        self, status: str, headers: Headers, exc_info: ExcInfo | None = ..., /
    ) -> Write: ...


App = Callable[[Environ, StartResponse], Iterable[bytes]]

__all__ = ["App", "Environ", "ExcInfo", "Headers", "StartResponse", "Write", "current_exc_info"]


def current_exc_info() -> ExcInfo:
    """``sys.exc_info()`` in the type that ``start_response`` takes."""
    return sys.exc_info()

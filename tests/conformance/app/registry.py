"""The table of small applications, by the first segment of the path: ``/name/tag...?argument``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]


@dataclass(frozen=True)
class Call:
    """One call of the application, taken apart once."""

    environ: Environ
    start_response: StartResponse
    tag: str
    argument: str  # the query string

    def text(self, body: bytes, status: str = "200 OK") -> list[bytes]:
        """The plain reply most applications end with."""
        self.start_response(
            status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        )
        return [body]


App = Callable[[Call], Iterable[bytes]]
APPS: dict[str, App] = {}


def app(name: str) -> Callable[[App], App]:
    """Registers an application under ``/name/``."""

    def register(function: App) -> App:
        if name in APPS:
            raise ValueError(f"two applications are called {name}")
        APPS[name] = function
        return function

    return register

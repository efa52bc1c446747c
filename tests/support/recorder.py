"""An application that keeps what it was called with."""

from __future__ import annotations

from collections.abc import Iterable

from .wsgi import Environ, StartResponse


class Recorder:
    """An application that keeps a copy of every environ it was called with."""

    def __init__(self) -> None:
        self.environs: list[Environ] = []

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        copy = dict(environ)
        copy["body"] = environ["wsgi.input"].read()
        self.environs.append(copy)
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

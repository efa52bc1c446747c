"""Reads its body at once."""

from __future__ import annotations

from collections.abc import Iterable

from tests.support.apps import PLAIN
from tests.support.wsgi import Environ, StartResponse


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    body = str(len(environ["wsgi.input"].read())).encode()
    start_response("200 OK", [PLAIN, ("Content-Length", str(len(body)))])
    return [body]

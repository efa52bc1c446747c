"""What the tests serve behind proxies: who asks, uploads, downloads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

BLOCK = bytes(range(256)) * 256
BLOCKS = 16
"""A download has 1 MiB."""


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/download":
        start_response("200 OK", [("Content-Length", str(len(BLOCK) * BLOCKS))])
        return (BLOCK for _ in range(BLOCKS))
    if path == "/stream":  # without a length: chunked, so that a cut is seen
        start_response("200 OK", [])
        return (BLOCK for _ in range(BLOCKS))
    if path == "/upload":
        body = hashlib.sha256(environ["wsgi.input"].read()).hexdigest().encode()
    else:
        names = ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "HTTP_X_FORWARDED_FOR")
        body = json.dumps({name: environ.get(name) for name in names}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

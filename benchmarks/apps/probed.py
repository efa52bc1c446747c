"""What `probes.py` asks about: the application tells in JSON how a request has come to it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """The path as text, digests of a long field and of the body, and their lengths."""
    field = environ.get("HTTP_X_LONG", "").encode("latin-1")
    body = _body(environ)
    told = {
        "path": environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace"),
        "field": [len(field), hashlib.sha256(field).hexdigest()],
        "body": [len(body), hashlib.sha256(body).hexdigest()],
    }
    answer = json.dumps(told).encode()
    head = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
    start_response("200 OK", head)
    return [answer]


def _body(environ: WSGIEnvironment) -> bytes:
    """As frameworks do: by the length if there is one, else to the end if the server has one."""
    stream = environ["wsgi.input"]
    if environ.get("CONTENT_LENGTH"):
        read = stream.read(int(environ["CONTENT_LENGTH"]))
    elif environ.get("wsgi.input_terminated") or "HTTP_TRANSFER_ENCODING" in environ:
        read = stream.read()
    else:
        read = b""
    return bytes(read)

"""The WSGI application every server under test runs.

``application`` notes each call in the journal under every tag the request carries, whatever its
path, and then hands it to one of the small applications of this package. It uses nothing but the
standard library and PEP 3333, and it never raises unless a row asked it to.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable

from tests.conformance.app import bodies, faults, files, inputs, responses
from tests.conformance.app.journal import note, tags_in
from tests.conformance.app.registry import APPS, Call, Environ, StartResponse, app

__all__ = ["application", "bodies", "faults", "files", "inputs", "responses"]

BOOT = f"{os.getpid()}-{uuid.uuid4().hex}"  # changes when a worker process was replaced


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    path = environ.get("PATH_INFO", "")
    tags = tags_in(environ)
    for tag in tags:
        note(tag, "call", path=path, method=environ.get("REQUEST_METHOD"))
    name = path.split("/")[1] if path.count("/") else ""
    call = Call(environ, start_response, min(tags, default=""), environ.get("QUERY_STRING", ""))
    return APPS.get(name, seen)(call)


@app("ping")
def ping(call: Call) -> Iterable[bytes]:
    """Names this process: rows use it as a round trip, the suite to notice a replaced worker."""
    return call.text(BOOT.encode("ascii"))


@app("seen")
def seen(call: Call) -> Iterable[bytes]:
    """Reads the whole body and tells, in the reply and in the journal, what the request was."""
    body = _body(call.environ)
    told = {
        "environ": {
            key: value for key, value in call.environ.items() if isinstance(value, (str, int, bool))
        },
        "types": {key: type(value).__name__ for key, value in call.environ.items()},
        "environ_type": type(call.environ).__name__,
        "version": list(call.environ.get("wsgi.version", ())),
        "body": body.decode("latin-1"),
    }
    if call.tag:
        note(call.tag, "seen", path=call.environ.get("PATH_INFO"), **told)
    reply = json.dumps(told).encode("ascii")
    call.start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(reply)))]
    )
    return [] if call.environ.get("REQUEST_METHOD") == "HEAD" else [reply]


def _body(environ: Environ) -> bytes:
    """The request body. Without a length it is read to its end only where there must be one."""
    stream, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH")
    if not length:
        ends = environ.get("wsgi.input_terminated") or "HTTP_TRANSFER_ENCODING" in environ
        return stream.read() if ends else b""
    body = b""
    while len(body) < int(length) and (data := stream.read(min(65536, int(length) - len(body)))):
        body += data
    if len(body) < int(length):
        raise OSError("the request body ended early")
    return body

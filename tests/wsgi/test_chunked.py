"""Chunked bodies as real clients send them."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from tests.conftest import Serve
from tests.support.http import chunked, render
from tests.support.wsgi import Environ, StartResponse

DOCUMENT = [[n % 10] for n in range(10_000)]
BODIES = {
    # One piece per bracket, comma and value: `requests.post(url, data=encoder.iterencode(...))`.
    "json": list(json.JSONEncoder().iterencode(DOCUMENT)),
    "bytes": list("x" * 20_000),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_in_small_pieces_arrives_whole(serve: Serve, name: str) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    pieces = BODIES[name]
    assert len(pieces) > 10_000
    fields = [("Transfer-Encoding", "chunked")]
    body = chunked(*(piece.encode() for piece in pieces))
    with serve(app).connect() as client:
        client.send(render("/", "POST", fields, body))
        reply = client.reply()
    assert (reply.status, reply.body) == (200, "".join(pieces).encode())

"""Asking a server in this process what its application saw."""

from __future__ import annotations

from typing import Any

from tests.conftest import Serve
from tests.support.recorder import Recorder
from tests.support.wsgi import Environ


def environ_for(serve: Serve, raw: bytes, **settings: Any) -> Environ:
    """What the application sees for the request ``raw``."""
    recorder = Recorder()
    server = serve(recorder, **settings)
    with server.connect() as client:
        client.send(raw)
        method = raw.split(b" ", 1)[0].decode()
        assert client.reply(method).status == 200
    return recorder.environs[0]

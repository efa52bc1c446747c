"""What uploads cost the server, in what can be counted: system calls, memory, descriptors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import procfs
from tests.support.http import chunked, render
from tests.support.process import start_server
from tests.support.target import headwaiter_only

pytestmark = [
    pytest.mark.skipif(not procfs.AVAILABLE, reason="needs /proc"),
    headwaiter_only("it keeps uploads in its own ways"),
]
BULK = "tests.support.apps:bulk"
CHUNKED = [("Transfer-Encoding", "chunked")]


def test_tiny_chunks_reach_the_disk_together() -> None:
    """One write for all that a read brought, not one for each chunk."""
    chunks = 200_000
    with start_server(BULK, inbuf_overflow=1000) as server, server.connect() as client:
        client.send(render("/", "POST", CHUNKED, chunked(b"abc", b"d")))
        assert client.reply("POST").body == b"4"
        before = procfs.writes(server.pid)
        client.send(render("/", "POST", CHUNKED, chunked(*[b"abc"] * chunks)))
        assert client.reply("POST").body == str(3 * chunks).encode()
        assert procfs.writes(server.pid) - before < chunks // 50

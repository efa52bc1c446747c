"""A read stops at urgent data and behind descriptors: nothing of what follows may be left."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from tests.process.test_frozen import frozen
from tests.support import procfs
from tests.support.http import render
from tests.support.process import start_server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="marks differ elsewhere")

APP = "tests.support.apps:hello"
HEAD = render("/", headers=[("X-Long", "a" * 500)])
UPLOAD = render("/", "POST", body=b"b" * 20_000)
# What is sent before the mark, what behind it, and the replies to both. The process stands still
# meanwhile, so that it finds everything at once: no further event would tell of the rest.
PIECES = {
    "in a head": (HEAD[:100], HEAD[100:], 1),
    "in a body": (UPLOAD[:5000], UPLOAD[5000:], 1),
    "between requests": (HEAD, HEAD, 2),
    "in a pipeline": (HEAD * 3 + HEAD[:100], HEAD[100:] + UPLOAD, 5),
}


@pytest.mark.parametrize("where", PIECES)
def test_urgent_data(where: str) -> None:
    before, behind, replies = PIECES[where]
    with start_server(APP) as server, server.connect() as client:
        for _ in range(2):
            client.ask("/")
            with frozen(server):
                client.send(before)
                client.sock.send(b"!", socket.MSG_OOB)
                client.send(behind)
            for _ in range(replies):
                assert client.reply().status == 200
        client.expect_open()


@pytest.mark.parametrize("where", PIECES)
def test_descriptors(where: str, tmp_path: Path) -> None:
    before, behind, replies = PIECES[where]
    path, witness = str(tmp_path / "s"), tmp_path / "witness"
    with start_server(APP, unix_socket=path) as server, server.connect() as client:
        for _ in range(2):
            client.ask("/")
            with frozen(server), open(witness, "w") as file:
                socket.send_fds(client.sock, [before], [file.fileno()])
                client.send(behind)
            for _ in range(replies):
                assert client.reply().status == 200
        client.expect_open()
        assert os.fspath(witness) not in procfs.descriptors(server.pid)

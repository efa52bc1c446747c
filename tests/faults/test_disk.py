"""No room for temporary files: uploads get a readable 503, replies wait for their clients."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.apps import BLOCK
from tests.support.http import chunked, render
from tests.support.process import ServerProcess, start_server
from tests.support.target import headwaiter_only
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="mounts a small file system"),
    headwaiter_only("it has neither spool_dir nor spool_limit"),
]
APP = "tests.faults.apps:downloads"
ROOM = 1 << 20
NO_ROOM = "temporary file"
LIMITS: dict[str, Any] = {"threads": 2, "inbuf_overflow": 16384, "outbuf_overflow": 65536}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("may not mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(params=["disk full", "spool_limit"])
def cramped(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server with room for 1 MiB of temporary files, because of the disk or of its setting."""
    if request.param == "disk full":
        folder, limit = request.getfixturevalue("small_disk"), 1 << 30
    else:
        folder, limit = tmp_path, ROOM
    with start_server(APP, spool_dir=folder, spool_limit=limit, **LIMITS) as server:
        yield server
    assert "panick" not in server.log


def check_room(server: ServerProcess) -> None:
    """Nothing is left in the spool: an upload that needs most of it goes through.

    Files count until another thread has closed them, of which nobody is told.
    """
    body = bytes(ROOM * 3 // 4)
    eventually(lambda: server.ask(method="POST", body=body).status == 200, "the spool has room")
    assert server.ask().status == 200


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_upload_without_room_is_refused_readably(cramped: ServerProcess, framing: str) -> None:
    for _ in range(3):
        with cramped.connect() as client:
            if framing == "length":
                client.send(render("/", "POST", body=bytes(3 * ROOM)))
            else:
                head = render("/", "POST", [("Transfer-Encoding", "chunked")])
                client.send(head + chunked(*[bytes(10_000)] * (3 * ROOM // 10_000)))
            reply = client.reply("POST")
            assert reply.status == 503
            assert reply.closing
            client.expect_closed()
        assert cramped.ask().status == 200
    check_room(cramped)


def test_refusals_are_logged_with_their_rule(cramped: ServerProcess) -> None:
    with cramped.connect() as client:
        client.send(render("/", "POST", body=bytes(3 * ROOM)))
        assert client.reply("POST").status == 503
    cramped.wait_for_log("refused a request of 127.0.0.1")
    cramped.wait_for_log(NO_ROOM)


def test_replies_without_room_wait_for_their_clients(cramped: ServerProcess) -> None:
    """Two clients fill the disk and both workers wait; nobody's bytes are lost."""
    size = 16 << 20
    want = BLOCK * (size // len(BLOCK))
    slow = [cramped.connect(receive_buffer=8192) for _ in range(2)]
    for client in slow:
        client.request("/stream?mib=16")
    cramped.wait_for_log(NO_ROOM)
    for client in slow:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # hurry up now
        assert client.reply().body == want
    check_room(cramped)


def test_a_silent_reader_without_room_is_cut_at_send_timeout(small_disk: Path) -> None:
    """Its worker is freed, and so is the disk."""
    with start_server(
        APP, spool_dir=small_disk, spool_limit=1 << 30, send_timeout=1, **LIMITS
    ) as server:
        silent = [server.connect(receive_buffer=4096) for _ in range(2)]
        for client in silent:
            client.request("/stream?mib=64")
        assert server.ask().status == 200  # waits for one of the two workers, at most
        for client in silent:
            client.expect_cut()
        check_room(server)


def test_a_spool_dir_that_went_away(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    with start_server(APP, spool_dir=folder, **LIMITS) as server:
        folder.rmdir()
        assert server.ask(method="POST", body=bytes(100_000)).status == 503
        assert server.ask(method="POST", body=bytes(10_000)).body == b"10000"
        folder.mkdir()
        assert server.ask(method="POST", body=bytes(100_000)).body == b"100000"
    assert os.listdir(folder) == []

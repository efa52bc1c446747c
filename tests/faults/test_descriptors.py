"""Out of descriptors: idle channels make room, accepting pauses without spinning, and recovers."""

from __future__ import annotations

import os
import select
import sys
import threading
from pathlib import Path

import pytest

from tests.support import procfs
from tests.support.http import Client, render
from tests.support.process import ServerProcess, start_server
from tests.support.target import headwaiter_only

pytestmark = [
    pytest.mark.skipif(not procfs.AVAILABLE, reason="needs /proc"),
    headwaiter_only("it stops accepting at its connection_limit, idle or not"),
]
LIMIT = 64
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BODY = bytes(50_000)
SIZE = b"50000"
# The 100 Continue says that the server has read the head: the connection is not idle any more.
UPLOAD = render("/", "POST", [("Expect", "100-continue"), ("Content-Length", str(len(BODY)))])


def start(folder: Path, **settings: object) -> ServerProcess:
    """A server that may have 64 descriptors and does not know it."""
    script = folder / "limited-python"
    script.write_text(f'#!/bin/sh\nulimit -n {LIMIT}\nexec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    return start_server(
        "tests.faults.apps:downloads",
        python=str(script),
        env={"PATH": os.environ["PATH"]},
        connection_limit=1000,
        **settings,  # type: ignore[arg-type]
    )


def begin_upload(server: ServerProcess) -> Client:
    """A connection with a request begun."""
    client = server.connect()
    client.send(UPLOAD)
    return client


def fill(server: ServerProcess) -> list[Client]:
    """Connections that are not idle, until no more are accepted; the last of them waits."""
    clients: list[Client] = []
    while True:
        clients.append(begin_upload(server))
        if not select.select([clients[-1].sock], [], [], 1.0)[0]:
            return clients
        said = clients[-1].sock.recv(len(CONTINUE))
        assert said == CONTINUE, f"number {len(clients)} was closed instead of left waiting"
        assert len(clients) < LIMIT, "more connections than descriptors"


def is_open(client: Client) -> bool:
    """Whether the connection still stands, by looking only."""
    client.sock.setblocking(False)
    try:
        return client.sock.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
    finally:
        client.sock.settimeout(10)


def test_the_longest_idle_channel_makes_room(tmp_path: Path) -> None:
    with start(tmp_path) as server:
        clients = []
        for _ in range(3 * LIMIT):
            clients.append(server.connect())
            assert clients[-1].ask().status == 200
        stand = [is_open(client) for client in clients]
        assert stand[-30:] == [True] * 30, "those used last stay"
        assert not any(stand[: 2 * LIMIT]), "those idle for longest go"
        assert stand == sorted(stand), "strictly in the order of idleness"
        assert server.ask().status == 200


def test_a_channel_that_was_used_again_is_not_the_longest_idle(tmp_path: Path) -> None:
    with start(tmp_path) as server:
        kept = server.connect()
        assert kept.ask().status == 200
        for _ in range(3 * LIMIT):
            assert server.connect().ask().status == 200
            assert kept.ask().status == 200


def test_accepting_pauses_without_spinning_and_recovers(tmp_path: Path) -> None:
    with start(tmp_path) as server:
        *busy, waiting = fill(server)
        server.wait_for_log("accepting pauses: .*")
        before = procfs.cpu_seconds(server.pid)
        threading.Event().wait(1.0)  # a second in which nothing happens is what is measured
        used = procfs.cpu_seconds(server.pid) - before
        assert used < 0.2, f"{used:.2f} s of CPU time in a second of waiting"
        busy[0].send(BODY)  # what was accepted is served
        assert busy[0].reply("POST").body == SIZE
        for client in busy[:20]:
            client.close()
        assert waiting.receive(len(CONTINUE)) == CONTINUE  # and so is what waited in the backlog
        waiting.send(BODY)
        assert waiting.reply("POST").body == SIZE
        assert server.ask().status == 200
        assert server.log.count("accepting pauses") == 1, "one record a minute"
        server.disconnect()  # else the drain waits for the uploads


def test_a_busy_connection_is_never_closed_for_a_new_one(tmp_path: Path) -> None:
    with start(tmp_path) as server:
        *busy, _ = fill(server)
        for _ in range(20):
            begin_upload(server)
        for client in busy:
            client.send(BODY)
            assert client.reply("POST").body == SIZE
        server.disconnect()  # else the drain waits for the uploads


def test_an_upload_that_finds_no_descriptor_for_its_file(tmp_path: Path) -> None:
    with start(tmp_path, inbuf_overflow=1024) as server:
        upload = server.connect()
        assert upload.ask(method="POST", body=bytes(5000)).body == b"5000"
        upload.send(UPLOAD)
        assert upload.receive(len(CONTINUE)) == CONTINUE
        busy = fill(server)
        upload.send(BODY)
        assert upload.reply("POST").status == 503
        upload.expect_closed()
        for client in busy:
            client.close()
        assert server.ask(method="POST", body=bytes(5000)).body == b"5000"


@pytest.mark.slow
def test_descriptors_come_back(tmp_path: Path) -> None:
    """Every descriptor that the flood took is free again after it."""
    with start(tmp_path) as server:
        assert server.ask().status == 200
        base = len(procfs.descriptors(server.pid))
        for _ in range(3):
            for one in fill(server):
                one.reset()
        assert server.ask(method="POST", body=BODY).body == SIZE
        moment = threading.Event()
        for _ in range(100):
            if len(procfs.descriptors(server.pid)) <= base:
                break
            moment.wait(0.05)  # nothing tells that the last one has been closed
        assert len(procfs.descriptors(server.pid)) <= base

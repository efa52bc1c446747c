"""What uploads cost, in what can be counted: system calls, memory, descriptors, waiting views."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import procfs
from tests.support.http import chunked, render
from tests.support.process import start_server
from tests.support.target import headwaiter_only
from tests.support.waiting import eventually

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


def test_an_unfinished_body_costs_what_has_come_of_it() -> None:
    """A client that announces a megabyte and sends 9 KB of it costs no megabyte."""
    uploads, stacks = 300, 64 << 20  # of threads that start meanwhile
    with start_server(BULK) as server:
        assert server.ask("/", "POST", body=bytes(1 << 20)).status == 200
        before = procfs.allocated(server.pid)
        for _ in range(uploads):
            client = server.connect()
            client.request("/", "POST", [("Content-Length", str(1 << 20))])
            client.send(bytes(9000))
        assert server.ask().status == 200  # what came before it has been read
        assert procfs.allocated(server.pid) - before < uploads * (64 << 10) + stacks
        server.disconnect()  # else the drain waits for the uploads


def test_uploads_leave_descriptors_to_the_application(tmp_path: Path) -> None:
    """At a limit of 64 there are 8 files for uploads; one more upload that needs one gets 503."""
    script = tmp_path / "limited-python"
    script.write_text(f'#!/bin/sh\nulimit -n 64\nexec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    environment = {"PATH": os.environ["PATH"]}
    with start_server(BULK, python=str(script), env=environment, inbuf_overflow=1000) as server:
        half = render("/", "POST", [("Content-Length", "10000")]) + bytes(5000)
        held = []
        for _ in range(8):
            held.append(server.connect())
            held[-1].send(half)
        eventually(lambda: files(server.pid) == 8, "each upload has a file")
        for _ in range(20):
            with server.connect() as client:
                client.send(half)
                refused = client.reply("POST")
                assert (refused.status, refused.closing) == (503, True)
        server.wait_for_log("spool_files=8.*spool_files reached")
        assert len(procfs.descriptors(server.pid)) < 64 - 16, "a quarter is not the server's"
        assert server.ask().status == 200
        for client in held:
            client.send(bytes(5000))
            assert client.reply("POST").body == b"10000"
        assert server.ask("/", "POST", body=bytes(10000)).body == b"10000"


def files(pid: int) -> int:
    """Temporary files of the process that are open."""
    return sum("(deleted)" in name for name in procfs.descriptors(pid))


GATE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* The first read of a file waits until somebody has written to the FIFO at $GATE. */
ssize_t pread64(int fd, void *buffer, size_t size, off64_t at)
{
    static int calls;
    ssize_t (*next)(int, void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pread64");
    if (__sync_fetch_and_add(&calls, 1) == 0) {
        char byte;
        int gate = open(getenv("GATE"), O_RDONLY);
        while (read(gate, &byte, 1) > 0) {}
        close(gate);
    }
    return next(fd, buffer, size, at);
}
"""


@pytest.mark.parametrize("way", ["short", "long"])
def test_a_slow_disk_does_not_hold_the_interpreter(tmp_path: Path, way: str) -> None:
    """While one view waits for the disk for its body, another one runs."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    (tmp_path / "gate.c").write_text(GATE)
    library, gate = tmp_path / "gate.so", tmp_path / "gate"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", library, tmp_path / "gate.c", "-ldl"], check=True
    )
    os.mkfifo(gate)
    size = 50_000 if way == "short" else 500_000
    environment = {"LD_PRELOAD": str(library), "GATE": str(gate)}
    app = "tests.process.uploads_app:app"
    settings: dict[str, Any] = {"inbuf_overflow": 1000, "env": environment}
    with start_server(app, **settings) as server, server.connect() as upload:
        upload.request("/", "POST", body=bytes(size))
        opened: list[int] = []

        def reads() -> bool:
            """Whether somebody waits at the gate."""
            with contextlib.suppress(OSError):
                opened.append(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
            return bool(opened)

        eventually(reads, "the view reads the disk")
        try:
            assert server.ask("/").body == b"0"
        finally:
            os.close(opened[0])
        assert upload.reply("POST").body == str(size).encode()

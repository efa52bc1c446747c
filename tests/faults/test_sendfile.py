"""Where the kernel does not send files, they are read and written instead: nothing is lost."""

from __future__ import annotations

import errno
import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.apps import BLOCK
from tests.support.http import Client
from tests.support.process import ServerProcess, start_server
from tests.support.target import headwaiter_only

pytestmark = [
    headwaiter_only("it sends no files by the kernel"),
    pytest.mark.skipif(
        sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
        reason="installs a seccomp filter",
    ),
]
MIB = 1 << 20
NOTHING = 0
ERRORS = [
    NOTHING,
    errno.EINVAL,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.EACCES,
    errno.EIO,
    errno.EOVERFLOW,
]


def start_refusing(error: int, **settings: Any) -> ServerProcess:
    env = {"REFUSE_SENDFILE": str(error)}
    return start_server("tests.faults.refusing:app", env=env, **settings)


def expect(client: Client, size: int) -> None:
    """Reads a reply of ``size`` bytes of ``BLOCK`` over and over."""
    assert client.head().header("Content-Length") == str(size)
    for _ in range(size // len(BLOCK)):
        assert client.receive(len(BLOCK)) == BLOCK


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: errno.errorcode.get(error, "nothing"))
def test_a_file(tmp_path: Path, error: int) -> None:
    path = tmp_path / "data"
    path.write_bytes(BLOCK * 64)
    with start_refusing(error) as server:
        for _ in range(2):
            with server.connect() as client:
                for _ in range(2):
                    client.request(f"/file?path={path}")
                    expect(client, 64 * len(BLOCK))
        server.stop()
        assert server.log.count("sendfile is refused") == (error != NOTHING), server.log


def test_a_spilled_reply(tmp_path: Path) -> None:
    """Slow readers get the bytes that wait for them on disk."""
    with start_refusing(errno.EINVAL, outbuf_overflow=65536, threads=1) as server:
        slow = server.connect(receive_buffer=4096)
        slow.request("/stream?mib=16")
        assert server.ask().body == b"hello"  # so all of the stream is spilled
        expect(slow, 16 * MIB)
        server.wait_for_log("sendfile is refused")


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(BLOCK * 64)
    socket = tmp_path / "socket"
    with start_refusing(errno.EINVAL, unix_socket=socket) as server, server.connect() as client:
        client.request(f"/file?path={path}")
        expect(client, 64 * len(BLOCK))


def test_a_file_that_is_truncated(tmp_path: Path) -> None:
    """It ends the connection, not the server."""
    path = tmp_path / "data"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    with start_refusing(errno.EINVAL) as server:
        with server.connect(receive_buffer=65536) as client:
            client.request(f"/file?path={path}")
            assert client.head().status == 200
            client.receive(100)
            path.write_bytes(b"")
            assert len(client.expect_cut()) < 64 * MIB
        assert server.ask().body == b"hello"


def test_a_client_that_leaves_is_no_refusal(tmp_path: Path) -> None:
    """Its reset is an error of ``sendfile``, too."""
    path = tmp_path / "data"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    with start_server("tests.support.apps:bulk") as server:
        for _ in range(20):
            client = server.connect(receive_buffer=4096)
            client.request(f"/file?path={path}")
            assert client.head().status == 200
            client.reset()
        assert server.ask().body == b"hello"
        server.stop()
        assert "sendfile" not in server.log

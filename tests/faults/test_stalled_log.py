"""The end of a process whose log takes nothing any more: whatever logging does, the end comes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headwaiter._process import shutdown
from tests.support.http import Client
from tests.support.process import ROOT, environment, start_server
from tests.support.target import headwaiter_only
from tests.support.waiting import pause

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
    pytest.mark.slow,  # every way has a second or two to get rid of its log
    headwaiter_only("SIGTERM ends it at once"),
]
BOUND = 60.0
SITE = """
import ctypes, logging, os, socket, sys, threading
import headwaiter

def say(word):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(word, os.environ["NOTIFY_SOCKET"])

def app(environ, start_response):
    if environ["PATH_INFO"] == "/":
        start_response("200 OK", [("Content-Length", "5")])
        return [b"hello"]
    say(b"began")
    if environ["PATH_INFO"] == "/hold":
        ctypes.PyDLL(None).sleep(3600)
    if environ["PATH_INFO"] == "/wait":
        threading.Event().wait()
    while True:
        if environ["PATH_INFO"] == "/print":
            print("printed" * 100, flush=True)
        else:
            logging.getLogger("site").warning("logged" * 100)

class Blocking(logging.Handler):
    def emit(self, record):
        threading.Event().wait()

if "BLOCKING" in os.environ:
    logging.getLogger(os.environ["BLOCKING"]).addHandler(Blocking())
    logging.getLogger().setLevel("INFO")

if __name__ == "__main__":
    settings = {"unix_socket": sys.argv[2], "shutdown_timeout": 0.3}
    if sys.argv[1] == "serve":
        headwaiter.serve(app, **settings)
    else:
        server = headwaiter.create_server(app, **settings)
        threading.Thread(target=server.run, daemon=True).start()
        say(b"READY=1")
        sys.stdin.read()
    sys.exit(7)
"""


@contextmanager
def full_pipe() -> Iterator[int]:
    """The writer's end of a pipe that takes nothing: its reader has stopped reading."""
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, bytes(4096))
        os.set_blocking(writer, True)
        yield writer
    finally:
        os.close(reader)
        os.close(writer)


def check(folder: Path, how: str, path: str, **env: str) -> None:
    """Starts a server whose standard streams are full, asks for ``path``, and stops it."""
    site, address, manager = folder / "stalled_site.py", str(folder / "s"), str(folder / "m")
    site.write_text(SITE)
    arguments = [str(site), how, address]
    if how == "command":
        arguments = ["-m", "headwaiter", f"--unix-socket={address}", "--shutdown-timeout=0.3"]
        arguments.append("stalled_site:app")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as news,
        full_pipe() as stream,
    ):
        news.bind(manager)
        news.settimeout(BOUND)
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=environment(NOTIFY_SOCKET=manager, PYTHONPATH=f"{folder}:{ROOT}", **env),
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=stream,
        )
        assert process.stdin
        try:
            assert news.recv(100) == b"READY=1"
            with Client(address, BOUND) as client:
                if path == "/":
                    assert client.ask().body == b"hello"
                else:
                    client.request(path)
                    assert news.recv(100) == b"began"
                if how == "daemon":
                    process.stdin.close()
                else:
                    process.send_signal(signal.SIGTERM)
                status = process.wait(BOUND)
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
    if path == "/hold":
        assert status == 3
    elif how == "command":
        assert status == (0 if path == "/" else 3)
    else:
        assert status == 7, "the program's own"


@pytest.mark.parametrize("path", ["/", "/wait", "/print", "/log"])
@pytest.mark.parametrize("how", ["command", "serve", "daemon"])
def test_standard_streams_that_nobody_reads(how: str, path: str, tmp_path: Path) -> None:
    check(tmp_path, how, path)


@pytest.mark.parametrize("path", ["/", "/wait", "/log"])
@pytest.mark.parametrize("how", ["command", "serve", "daemon"])
def test_a_handler_that_never_returns(how: str, path: str, tmp_path: Path) -> None:
    check(tmp_path, how, path, BLOCKING="")


@pytest.mark.parametrize("how", ["command", "serve", "daemon"])
def test_a_handler_of_the_application_that_never_returns(how: str, tmp_path: Path) -> None:
    check(tmp_path, how, "/log", BLOCKING="site")


@pytest.mark.parametrize("how", ["command", "serve"])
def test_a_view_that_holds_the_gil(how: str, tmp_path: Path) -> None:
    """The last word is standard error's, past Python, and is not waited for either."""
    check(tmp_path, how, "/hold")


def test_a_service_manager_that_does_not_listen(tmp_path: Path) -> None:
    address = str(tmp_path / "manager")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other,
    ):
        manager.bind(address)
        other.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                other.sendto(b"full", address)
        with start_server(env={"NOTIFY_SOCKET": address}) as server:
            assert server.ask().status == 200
            server.stop()


def test_a_program_that_serves_nothing_may_take_its_time_to_say_what_it_has_to_say(
    tmp_path: Path,
) -> None:
    """Importing the package must not cost a slow pipe the end of the output."""
    (tmp_path / "export.py").write_text("import headwaiter\nprint('x' * 70_000)\n")
    program = [sys.executable, "-m", "export"]
    with subprocess.Popen(program, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"x"
        pause(2 * shutdown.EXIT_SECONDS)  # the pipe is full, and nobody reads
        assert len(process.stdout.read()) == 70_000

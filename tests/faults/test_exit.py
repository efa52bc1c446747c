"""The interpreter finalises while a server on a daemon thread is under load.

Whatever the workers are in the middle of, the program's own exit code comes out, without a crash.
"""

from __future__ import annotations

import contextlib
import sys
import threading

import pytest

from tests.support.http import Client, render
from tests.support.process import ROOT, ServerProcess, environment
from tests.support.target import headwaiter_only

pytestmark = headwaiter_only("its threads die with the process")
PROGRAM = """
import sys, threading, time
import headwaiter

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/spin":
        sys.stderr.write("began\\n")
        sys.stderr.flush()
        while True:
            sum(range(1000))
    if path == "/sleep":
        sys.stderr.write("began\\n")
        sys.stderr.flush()
        time.sleep(3600)
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/stream":
        return endless()
    return [bytes(20_000)]  # sent by reference

def endless():
    sys.stderr.write("began\\n")
    sys.stderr.flush()
    while True:
        yield bytes(1000)

server = headwaiter.create_server(app, listen="127.0.0.1:0", threads=2, shutdown_timeout=0.3)
threading.Thread(target=server.run, daemon=True).start()
print(server.urls[0], file=sys.stderr, flush=True)
sys.stdin.read()
if "stop" in sys.argv:
    server.close()
sys.exit(7)
"""


def start(*arguments: str) -> ServerProcess:
    argv = [sys.executable, "-c", PROGRAM, *arguments]
    server = ServerProcess(argv, environment(), ROOT, (), stdin=-1)
    server.wait_for_addresses(1)
    return server


@pytest.mark.parametrize("path", ["/", "/spin", "/sleep", "/stream"])
@pytest.mark.parametrize("attempt", range(3))
def test_the_end_of_the_program_under_load(path: str, attempt: int) -> None:
    served = threading.Semaphore(0)
    with start() as server:

        def keep_asking() -> None:
            with contextlib.suppress(OSError, AssertionError), Client(server.address, 30) as client:
                while True:
                    client.send(render("/") * 5)
                    for _ in range(5):
                        client.reply()
                        served.release()

        crowd = [threading.Thread(target=keep_asking) for _ in range(4)]
        with server.connect(timeout=30) as busy:
            if path != "/":
                busy.request(path)
                server.wait_for_log("began")
            for thread in crowd:
                thread.start()
            for _ in range(20 + 50 * attempt):
                assert served.acquire(timeout=20)
            server.end_input()
            code = server.wait(30)
            for thread in crowd:
                thread.join()
        check_end(server, code)


@pytest.mark.parametrize("path", ["/spin", "/sleep", "/stream"])
def test_the_end_of_a_program_that_has_stopped_its_server(path: str) -> None:
    """The drain has given up on a request, whose worker is still at it."""
    with start("stop") as server, server.connect(timeout=30) as busy:
        busy.request(path)
        server.wait_for_log("began")
        server.end_input()
        check_end(server, server.wait(30))
        assert f"cut while it was running: GET {path}" in server.log


def check_end(server: ServerProcess, code: int) -> None:
    assert code == 7, f"{code}\n{server.log[-2000:]}"
    for bad in ("Fatal Python", "FATAL", "panick", "Exception ignored"):
        assert bad not in server.log

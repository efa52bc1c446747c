"""The interpreter finalises while a server on a daemon thread is under load.

Whatever the workers are in the middle of, the program's own exit code comes out, without a crash.
"""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import pytest

from tests.faults.crowd import make_crowd
from tests.support.process import ROOT, ServerProcess, environment, start_server
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
    with start() as server:
        crowd, served = make_crowd(server, 4)
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


RETURNING = """
import os, signal, sys, threading, time
import headwaiter

reader, writer = os.pipe()

def app(environ, start_response):
    print("began", file=sys.stderr, flush=True)
    os.read(reader, 1)  # returns when the interpreter is on its way out
    return []

class Last:
    def __del__(self, write=os.write, writer=writer, sleep=time.sleep):
        write(2, b"last\\n")
        write(writer, b"x")
        sleep(0.2)  # gives the GIL away, to whoever still takes it

sys.last_of_all = Last()  # the dictionary of sys goes when everything else has gone
settings = {"listen": "127.0.0.1:0", "shutdown_timeout": 0.1}
if sys.argv[1] == "serve":
    headwaiter.serve(app, **settings)
else:
    server = headwaiter.create_server(app, **settings)
    threading.Thread(target=server.run, daemon=True).start()
    print(server.urls[0], file=sys.stderr, flush=True)
    sys.stdin.read()
sys.exit(7)
"""


@pytest.mark.parametrize("how", ["serve", "daemon"])
def test_a_view_that_comes_back_while_the_interpreter_ends(how: str) -> None:
    """Before 3.14 CPython unwinds such a thread, which must not get to our frames."""
    argv = [sys.executable, "-c", RETURNING, how]
    with ServerProcess(argv, environment(), ROOT, (), stdin=-1) as server:
        server.wait_for_addresses(1)
        with server.connect(timeout=30) as busy:
            busy.request("/")
            server.wait_for_log("began")
            if how == "serve":
                server.signal(signal.SIGTERM)
            else:
                server.end_input()
            code = server.wait(30)
        assert "last\n" in server.log, "the view was not let go"
        check_end(server, code)


THREADS = """
import concurrent.futures, threading
from tests.support.apps import hello

pool = concurrent.futures.ThreadPoolExecutor(1)
pool.submit(int).result()  # its thread is idle from now on, and ends with the interpreter

def app(environ, start_response):
    if environ["PATH_INFO"] == "/start":
        threading.Thread(target=threading.Event().wait, name="collector", daemon=False).start()
    return hello(environ, start_response)
"""


@pytest.mark.parametrize("path", ["/", pytest.param("/start", marks=pytest.mark.slow)])
def test_threads_of_the_application(path: str, tmp_path: Path) -> None:
    """One that does not end is waited for, by name, but not for ever."""
    (tmp_path / "threads_site.py").write_text(THREADS)
    env = {"PYTHONPATH": str(tmp_path)}
    with start_server("threads_site:app", env=env, shutdown_timeout=0.5) as server:
        assert server.ask(path).status == 200
        server.signal(signal.SIGTERM)
        code = server.wait(30)
        if path == "/":
            assert code == 0
            assert "waiting" not in server.log
        else:
            assert code == 3, server.log
            assert re.search(r"waiting \d\.\d s for threads to end: collector\n", server.log)
            assert "ended without waiting for collector\n" in server.log

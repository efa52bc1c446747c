"""Programs that embed a server, for tests about signals and about the life of a process.

Run as ``python -m tests.process.programs NAME``. Each prints its address like a banner, and on
stderr whatever the test waits for.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

from tests.support.target import NAME
from tests.support.wsgi import Environ, StartResponse

# At run time, so that the suite can be type-checked without the extension.
server_module: Any = importlib.import_module(NAME)


def say(*words: object) -> None:
    print(*words, file=sys.stderr, flush=True)


def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/stuck":
        say("stuck")
        threading.Event().wait()
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def make(app: Any = hello, **settings: Any) -> Any:
    server = server_module.create_server(app, listen="127.0.0.1:0", **settings)
    say(f"http://{server.effective_host}:{server.effective_port}")
    return server


def own_handlers() -> None:
    """The application's signal handlers run while the server waits, and are left alone."""
    server = make()
    signal.signal(signal.SIGUSR1, lambda *_: say("handled SIGUSR1"))

    def stop(*_: object) -> None:
        say("own SIGTERM")
        server.stop()

    signal.signal(signal.SIGTERM, stop)
    server.run()
    say("handler kept" if signal.getsignal(signal.SIGTERM) is stop else "handler lost")


def serve_restores() -> None:
    """``serve`` leaves the handlers and the wake-up descriptor as it found them."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def mine(*_: object) -> None:
        say("mine")

    signal.signal(signal.SIGINT, mine)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    server_module.serve(hello, listen="127.0.0.1:0")
    restored = (
        signal.getsignal(signal.SIGINT) is mine,
        signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
        signal.set_wakeup_fd(-1) == writer,
    )
    say("restored", *restored)
    os.close(reader)
    os.close(writer)


def keyboard_interrupt() -> None:
    """Without handlers of its own a program gets KeyboardInterrupt in ``run``, which drains."""
    server = make()
    server.run()
    say("run returned")


def keyboard_interrupt_sleepy() -> None:
    """As before, with a request that takes a second."""
    import time

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        say("slow")
        while not server._stopped:
            time.sleep(0.01)
        say("stopping")
        time.sleep(0.3)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    server = make(app)
    server.run()
    say("run returned", server.unfinished)


def in_a_thread() -> None:
    """``run`` on a thread installs no handlers; the main thread closes."""
    server = make()
    thread = threading.Thread(target=server.run)
    thread.start()
    say("handlers", signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))
    sys.stdin.read()
    server.close()
    thread.join(10)
    say("closed", thread.is_alive(), server.unfinished)


def forks() -> None:
    """An application that forks: the child leaves by ``os._exit``, the parent serves on."""

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/fork":
            child = os.fork()
            if child == 0:
                os._exit(7)
            _, status = os.waitpid(child, 0)
            body = str(os.waitstatus_to_exitcode(status)).encode()
        elif environ["PATH_INFO"] == "/terminated":
            child = os.fork()
            if child == 0:
                os.kill(os.getpid(), signal.SIGTERM)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            body = str(os.waitstatus_to_exitcode(status)).encode()
        elif environ["PATH_INFO"] == "/stays":
            child = os.fork()
            if child == 0:  # with copies of all descriptors
                time.sleep(60)
                os._exit(0)
            body = str(child).encode()
        elif environ["PATH_INFO"] == "/subprocess":
            import subprocess

            body = subprocess.run(["echo", "-n", "child"], capture_output=True, check=True).stdout
        elif environ["PATH_INFO"] == "/serve":
            child = os.fork()
            if child == 0:  # a child may serve by itself, on sockets of its own
                os._exit(serve_in_child())
            _, status = os.waitpid(child, 0)
            body = str(os.waitstatus_to_exitcode(status)).encode()
        else:
            body = b"parent"
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    server_module.serve(app, listen="127.0.0.1:0")


def serve_in_child() -> int:
    """A server in a forked child: starts, answers one request, stops."""
    import socket

    server = server_module.create_server(hello, listen="127.0.0.1:0")
    thread = threading.Thread(target=server.run)
    thread.start()
    with socket.create_connection(("127.0.0.1", int(server.effective_port)), 10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := client.recv(4096):
            data += piece
    server.close()
    thread.join(10)
    return 0 if data.endswith(b"\r\n\r\nhello") else 1


def exits_while_serving() -> None:
    """The main thread ends with a request running in the application: no crash, no hang."""
    server = make()
    threading.Thread(target=server.run, daemon=True).start()
    sys.stdin.read()
    say("leaving")


def threads_of_the_application() -> None:
    """Threads that the application starts go on while the server waits."""

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        threading.Thread(target=say, args=("background ran",)).start()
        start_response("200 OK", [("Content-Length", "0")])
        return []

    server_module.serve(app, listen="127.0.0.1:0")


if __name__ == "__main__":
    globals()[sys.argv[1]]()

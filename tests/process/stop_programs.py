"""Programs that end by signals, for ``test_stops``: ``serve`` with something around it.

Run as ``python -m tests.process.stop_programs NAME``; ``app`` is for the command line.
"""

from __future__ import annotations

import atexit
import faulthandler
import importlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

from tests.support.target import NAME
from tests.support.wsgi import Environ, StartResponse

FROM = os.environ.get("TESTED_PHASE", "")
NUMBER = getattr(signal, os.environ.get("TESTED_SIGNAL", "SIGTERM"))


def say(*words: object) -> None:
    # In one piece, past Python's streams: these are gone at the very end.
    os.write(2, (" ".join(map(str, words)) + "\n").encode())


def again() -> None:
    """The signal comes a second time."""
    say("again at", time.monotonic())
    os.kill(os.getpid(), NUMBER)
    say("survived")


class Late:
    """Signals when the interpreter has given up its handlers, and takes modules apart."""

    def __del__(self) -> None:
        if FROM == "teardown":
            again()


if FROM == "import":
    say("importing")
    os.kill(os.getpid(), NUMBER)
    say("survived")
elif FROM == "fork":  # before any other hook, such as the server's
    os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), NUMBER))
elif FROM == "atexit":
    atexit.register(again)
elif FROM == "waits":
    atexit.register(lambda: threading.Event().wait())
    atexit.register(say, "waiting")
late = Late()

# At run time, so that the suite can be type-checked without the extension; after the hook above.
server_module: Any = importlib.import_module(NAME)


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    body = b"parent"
    if environ["PATH_INFO"] == "/fork":
        child = os.fork()
        if child == 0:
            os._exit(7)
        body = str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode()
    elif environ["PATH_INFO"] == "/terminate":
        process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        process.start()
        process.terminate()
        process.join()
        body = str(process.exitcode).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def serve(**settings: Any) -> None:
    server_module.serve(app, listen="127.0.0.1:0", **settings)


def plain() -> None:
    serve()
    if FROM == "return":
        again()


def handler() -> None:
    """The application has handlers of its own, whatever they do."""

    def own(number: int, _frame: object) -> None:
        say("own", signal.Signals(number).name)
        if FROM == "exits":
            sys.exit(7)

    if FROM == "exits":
        say_when_waiting()
    signal.signal(NUMBER, own)
    serve()
    say("kept", signal.getsignal(NUMBER) is own)
    if FROM == "return":
        again()
        time.sleep(0.6)  # until the same stop is over, and the handler the program's again
        again()


def say_when_waiting() -> None:
    """Say when the main thread has started everything, and stay: for what cannot be interrupted
    anywhere."""

    def watch() -> None:
        while sys._current_frames()[main].f_code.co_name != "select":
            time.sleep(0.01)
        say("the main thread waits")
        threading.Event().wait()

    main = threading.get_ident()
    threading.Thread(target=watch, daemon=True).start()


def dump() -> None:
    """A handler in C, which Python does not know of. It looks at all threads, and may crash when
    one begins or ends meanwhile."""
    say_when_waiting()
    faulthandler.register(NUMBER, chain=FROM == "chain")
    serve(**({"access_log": sys.argv[2]} if len(sys.argv) > 2 else {}))


def access_log() -> None:
    serve(access_log=sys.argv[2])


def at_the_banner() -> None:
    """The signal comes when the handlers are there, and nobody yet who reads from them."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(record.levelname, record.getMessage())
            if "stop with" in record.getMessage():
                os.kill(os.getpid(), NUMBER)

    logging.basicConfig(level=logging.INFO, handlers=[Handler()])
    serve()
    say("returned")


def ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve()


def in_a_thread() -> None:
    threading.Thread(target=serve, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    globals()[sys.argv[1]]()

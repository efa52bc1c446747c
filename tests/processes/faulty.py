"""Applications that break the process that runs them.

The path says how: ``/ACTION/ARGUMENT``. :func:`load` is called while the process starts, and the
environment variable ``FAULT`` names its action.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def crash(_argument: str) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)


def leave(argument: str) -> None:
    os._exit(int(argument))


def leave_politely(argument: str) -> None:
    sys.exit(int(argument))


def fail(_argument: str) -> None:
    raise ValueError("no database")


def fill_memory(_argument: str) -> None:
    with open("/proc/self/statm", encoding="ascii") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20), resource.RLIM_INFINITY))
    try:
        list(iter(lambda: bytearray(1 << 20), None))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def hang(_argument: str) -> None:
    print("hanging", file=sys.stderr, flush=True)
    threading.Event().wait()


def ignore_and_hang(argument: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hang(argument)


def hold_the_gil(_argument: str) -> None:
    print("hanging", file=sys.stderr, flush=True)
    ctypes.PyDLL(None).pause()


def meet_late_signals(_argument: str) -> None:
    """Have stops come when the server has ended and the interpreter ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        atexit.register(os.kill, os.getpid(), number)


def fork(_argument: str) -> str:
    """Leave a child that keeps every descriptor but standard error, which tests read to its end."""
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_RDWR), 2)
        while True:
            signal.pause()
    return str(child)


def fork_and_go_on(argument: str) -> None:
    """Fork a child that does not leave by ``os._exit``: by ``sys.exit``, or not at all."""
    if os.fork():
        status = os.waitstatus_to_exitcode(os.wait()[1])
        print(f"the child has ended with {status}", file=sys.stderr, flush=True)
    elif argument:
        sys.exit(int(argument))


def close_descriptors(_argument: str) -> None:
    os.closerange(3, 256)


def change_directory(_argument: str) -> None:
    os.chdir("/")


def start_session(_argument: str) -> None:
    os.setsid()


def stop(_argument: str) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def start_thread(argument: str) -> None:
    threading.Thread(target=threading.Event().wait, name=argument, daemon=True).start()


def pid(_argument: str) -> str:
    return str(os.getpid())


ACTIONS: dict[str, Callable[[str], str | None]] = {
    action.__name__: action
    for action in (
        *(crash, leave, leave_politely, fail, fill_memory, hang, ignore_and_hang, hold_the_gil),
        *(fork, fork_and_go_on, close_descriptors, change_directory, start_session, stop),
        *(start_thread, meet_late_signals, pid),
    )
}


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    action, _, argument = environ["PATH_INFO"][1:].partition("/")
    body = (ACTIONS[action](argument) or "").encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def load() -> WSGIApplication:
    action, _, argument = os.environ["FAULT"].partition("/")
    ACTIONS[action](argument)
    return app

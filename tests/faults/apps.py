"""Applications that server processes load by name; each is one way of being a bad neighbour."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator

from tests.support import procfs
from tests.support.apps import PLAIN, blocks, gil, hello, query
from tests.support.wsgi import Environ, StartResponse


def say(*words: object) -> None:
    print(*words, file=sys.stderr, flush=True)


def forgetful(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Forks, and lets the child come back to the server, in the way that the path names."""
    way = environ["PATH_INFO"]
    if way == "/":
        return hello(environ, start_response)
    child = os.fork()
    if child:
        # The reply of the parent comes second, so that anything of the child's would be first.
        _, status = os.waitpid(child, 0)
        body = str(os.waitstatus_to_exitcode(status)).encode()
        start_response("200 OK", [PLAIN, ("Content-Length", str(len(body)))])
        return [body]
    if way == "/exit":
        sys.exit(5)
    if way == "/raise":
        raise ValueError("in the child")
    write = start_response("200 OK", [PLAIN])
    if way == "/write":
        write(b"from the child")
    return iter([b"from", b"the", b"child"]) if way == "/iterate" else [b"from the child"]


def forking(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """``/fork?times=&way=`` says how many children came up in a row; ``/stream`` is endless."""
    if environ["PATH_INFO"] == "/stream":
        start_response("200 OK", [PLAIN])
        return endless(bytes(65536))
    if environ["PATH_INFO"] == "/":
        return hello(environ, start_response)
    fork, times = WAYS_TO_FORK[query(environ, "way")], int(query(environ, "times"))
    came_up = next((nth for nth in range(times) if not fork()), times)  # up to the first failure
    body = str(came_up).encode()
    start_response("200 OK", [PLAIN, ("Content-Length", str(len(body)))])
    return [body]


def endless(piece: bytes) -> Iterator[bytes]:
    """The piece anew each time: one that is shared would be dropped only at the end."""
    while True:
        yield piece[:-1] + b"\n"


def fork_plainly() -> bool:
    """Whether a child came up, did some Python, and left."""
    child = os.fork()
    if not child:
        threading.Thread(target=str).start()
        os._exit(0)
    return _ended(child)


def fork_by_multiprocessing() -> bool:
    child = multiprocessing.get_context("fork").Process(target=str)
    child.start()
    child.join(FORK_TIMEOUT)
    came_up = child.exitcode == 0
    child.kill()
    child.join()
    return came_up


def fork_before_exec() -> bool:
    """``preexec_fn`` runs Python in the child, and the parent waits until the child has exec'd."""
    pid = os.getpid()
    watchdog = threading.Timer(FORK_TIMEOUT, _kill_children, [pid])
    watchdog.start()
    try:
        return subprocess.run(["/bin/true"], preexec_fn=os.setsid, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False
    finally:
        watchdog.cancel()


def _ended(child: int) -> bool:
    watchdog = threading.Timer(FORK_TIMEOUT, os.kill, [child, signal.SIGKILL])
    watchdog.start()
    _, status = os.waitpid(child, 0)
    watchdog.cancel()
    return status == 0


def _kill_children(parent: int) -> None:
    for child in procfs.children(parent):
        os.kill(child, signal.SIGKILL)


FORK_TIMEOUT = 20.0
WAYS_TO_FORK = {
    "fork": fork_plainly,
    "multiprocessing": fork_by_multiprocessing,
    "preexec": fork_before_exec,
}


def burning(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Sends the time on the clock that all processes share, then burns a second and a half.

    ``/generator`` yields it, ``/write`` writes it.
    """
    write = start_response("200 OK", [PLAIN])
    if environ["PATH_INFO"] == "/write":
        write(str(time.monotonic()).encode())
        burn(1.5)
        return [b"end"]
    return burning_parts()


def burning_parts() -> Iterator[bytes]:
    yield str(time.monotonic()).encode()
    burn(1.5)
    yield b"end"


def burn(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def downloads(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """``/stream?mib=`` yields without a length; POST says how much it got; ``/`` says hello."""
    if environ["REQUEST_METHOD"] == "POST":
        size = len(environ["wsgi.input"].read())
        start_response("200 OK", [PLAIN])
        return [str(size).encode()]
    if environ["PATH_INFO"] == "/stream":
        start_response("200 OK", [PLAIN])
        return blocks(int(query(environ, "mib", "1")) << 20)
    return hello(environ, start_response)


def busy(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """``/spin`` and ``/hold`` as in ``gil``; ``/large?mib=`` is handed over in one piece."""
    if environ["PATH_INFO"] == "/large":
        body = bytes(int(query(environ, "mib")) << 20)
        start_response("200 OK", [PLAIN, ("Content-Length", str(len(body)))])
        return [body]
    return gil(environ, start_response)


def in_pieces(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A streamed reply."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "9")])
    yield from (b"one", b"two", b"six")

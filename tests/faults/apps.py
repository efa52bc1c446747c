"""Applications that server processes load by name; each is one way of being a bad neighbour."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator

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

"""The servers under comparison: how each is found, started and described.

A peer is data. `command` gives its command line for one application; `missing` says why it cannot
run here, so that it is skipped with a reason instead of failing. Settings are as near to equal as
the servers allow: one process, four threads where there are threads, keep-alive on, no access log,
a backlog of 2,048. What differs is in `note`, which the report prints.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import raw

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[[int, str], list[str]]
    """Port and `module:object` in, argument vector out."""

THREADS = 4
HOST = "127.0.0.1"
BEFORE = "BENCHMARK_BEFORE"
"""The environment variable that names another checkout, to be measured beside this one."""
VERSION = re.compile(r"\d+(\.\d+)+")
BACKLOG = "2048"


@dataclass(frozen=True)
class Peer:
    """One server in one configuration."""

    name: str
    command: Command
    needs: str
    """The Python distribution, or with a leading `$` the program, without which it cannot run."""
    note: str = ""
    ceiling: bool = False
    """Not a WSGI server: shown as what the machine allows, never ranked."""
    default: bool = True
    """Measured unless `--peers` says otherwise."""
    only: frozenset[str] | None = None
    """The scenarios it can serve; `None` for all."""
    before: bool = False
    """headwaiter from the checkout that `BENCHMARK_BEFORE` names, built there by `make`."""

    unreadable: str = ""
    """The package whose debug information valgrind cannot read; it is run without, from a copy."""

    def serves(self, scenario: str) -> bool:
        return self.only is None or scenario in self.only

    def missing(self) -> str | None:
        """Why this peer cannot run here; `None` if it can."""
        if self.before and not list(_package_before().glob("headwaiter/_headwaiter*")):
            return f"{BEFORE} names no checkout of headwaiter that is built"
        if self.needs.startswith("$"):
            program = self.needs[1:]
            return None if shutil.which(program) else f"no program {program} on PATH"
        try:
            importlib.metadata.version(self.needs)
        except importlib.metadata.PackageNotFoundError:
            return f"{self.needs} is not installed in {sys.prefix}"
        return None

    def version(self) -> str:
        if not self.needs.startswith("$"):
            return importlib.metadata.version(self.needs)
        asked = subprocess.run([self.needs[1:], "-v"], capture_output=True, text=True, check=False)
        found = VERSION.search(asked.stderr)
        return found.group() if found else "unknown"


def _python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def _launched(name: str, threads: int = THREADS) -> Command:
    return lambda port, app: _python("-m", "benchmarks.launch", name, str(port), str(threads), app)


def _headwaiter(threads: int, *more: str) -> Command:
    return lambda port, app: _python(
        *("-m", "headwaiter", "--listen", f"{HOST}:{port}", "--threads", str(threads), *more, app)
    )


def _package_before() -> Path:
    return Path(os.environ.get(BEFORE, os.devnull), "python")


def _headwaiter_before(port: int, app: str) -> list[str]:
    return ["env", f"PYTHONPATH={_package_before()}", *_headwaiter(THREADS)(port, app)]


def _gunicorn(port: int, app: str) -> list[str]:
    return _python(
        *("-m", "gunicorn", "--worker-class", "gthread", "--workers", "1"),
        *("--threads", str(THREADS), "--worker-connections", "10000", "--keep-alive", "75"),
        *("--backlog", BACKLOG, "--log-level", "error", "--no-control-socket"),
        *("--bind", f"{HOST}:{port}", app),
    )


def _granian(threads: int) -> Command:
    return lambda port, app: _python(
        *("-m", "granian", "--interface", "wsgi", "--workers", "1", "--http", "1", "--no-ws"),
        *("--blocking-threads", str(threads), "--backlog", BACKLOG, "--backpressure", "10000"),
        *("--log-level", "error"),
        *("--host", HOST, "--port", str(port), app),
    )


def _uwsgi(threads: int, socket: str = "--http11-socket") -> Command:
    program = str(Path(sys.executable).with_name("uwsgi"))
    many = ["--threads", str(threads)] if threads > 1 else []
    return lambda port, app: [
        *(program, socket, f"{HOST}:{port}", "--module", app, "--processes", "1", *many),
        *("--single-interpreter", "--need-app", "--disable-logging", "--listen", BACKLOG),
        *("--buffer-size", "32768"),  # else a head of more than 4 KiB is cut off
        *("--die-on-term", "--home", sys.prefix),
    ]


def _peregrine(threads: int) -> Command:
    return lambda port, app: _python(
        *("-m", "peregrine", "--protocol", "wsgi", "--workers", "1"),
        *("--wsgi-threads", str(threads), "--backlog", BACKLOG, "--max-connections", "10000"),
        *("--keep-alive", "75000", "--host", HOST, "--port", str(port), app),
    )


def _m0serve(port: int, app: str) -> list[str]:
    return _python(
        *("-m", "m0serve", "--protocol", "wsgi", "--workers", "1"),
        # The limit of a connection's requests, a thousand, would count as errors of wrk.
        *("--blocking-threads", str(THREADS), "--max-keepalive-requests", "0"),
        *("--host", HOST, "--port", str(port), app),
    )


def _raw(port: int, app: str) -> list[str]:
    return [str(raw.build()), str(port)]


def _nginx(port: int, app: str) -> list[str]:
    return ["nginx", *raw.nginx_arguments(port)]


HELLOS = frozenset({"hello-c1", "hello-c64", "hello-c256", "headers", "close", "pipeline16"})

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer("headwaiter", _headwaiter(THREADS), "headwaiter"),
        Peer(
            "headwaiter1",
            _headwaiter(1),
            "headwaiter",
            note="one worker thread, for comparison with the single-threaded peers",
            default=False,
        ),
        Peer(
            "headwaiter+admin",
            _headwaiter(THREADS, "--admin", f"{HOST}:0"),
            "headwaiter",
            note="with the admin endpoint and its GIL probe: what observing costs",
            default=False,
        ),
        Peer(
            "headwaiter+admin-profile",
            _headwaiter(THREADS, "--admin", f"{HOST}:0", "--no-wait-profile"),
            "headwaiter",
            note="with the admin endpoint, without the wait profile",
            default=False,
        ),
        Peer(
            "headwaiter+log",
            _headwaiter(THREADS, "--access-log", os.devnull, "--access-log-format", "json"),
            "headwaiter",
            note="with a JSON line per request: what the access log costs, the disk apart",
            default=False,
        ),
        Peer(
            "headwaiter+2",
            _headwaiter(THREADS, "--processes=2"),
            "headwaiter",
            note="two processes: more than the others have",
            default=False,
        ),
        Peer(
            "headwaiter-before",
            _headwaiter_before,
            "headwaiter",
            note="another revision: what a change costs or gives",
            default=False,
            before=True,
        ),
        Peer(
            "waitress",
            _launched("waitress"),
            "waitress",
            note="poll instead of select, `connection_limit` raised, queue warnings off",
        ),
        Peer("gunicorn", _gunicorn, "gunicorn", note="gthread, one worker process, C parser"),
        Peer("granian1", _granian(1), "granian", note="one blocking thread"),
        Peer("granian4", _granian(4), "granian", note="four blocking threads"),
        Peer(
            "uwsgi",
            _uwsgi(THREADS),
            "uwsgi",
            note="keep-alive socket: a connection holds its thread, four are served at a time",
        ),
        Peer(
            "uwsgi1",
            _uwsgi(1),
            "uwsgi",
            note="the same with one thread and no GIL switching",
        ),
        Peer(
            "uwsgi-close",
            _uwsgi(THREADS, "--http-socket"),
            "uwsgi",
            note="the socket without keep-alive: the other ignores `Connection: close` and cannot"
            " end a reply of unknown length; wrk counts unannounced closes as errors",
            only=frozenset({"close", "stream1m"}),
        ),
        Peer("cheroot", _launched("cheroot"), "cheroot"),
        Peer("bjoern", _launched("bjoern"), "bjoern", note="single-threaded"),
        Peer(
            "fastwsgi",
            _launched("fastwsgi"),
            "fastwsgi",
            note="single-threaded, `tcp_nodelay` on",
        ),
        Peer("fastpysgi", _launched("fastpysgi"), "fastpysgi", note="as fastwsgi, its successor"),
        Peer("freastal", _launched("freastal"), "freastal", note="single-threaded"),
        Peer(
            "peregrine1",
            _peregrine(1),
            "peregrine-server",
            note="one thread: the application runs on that of the loop",
            unreadable="peregrine",
        ),
        Peer(
            "peregrine4",
            _peregrine(4),
            "peregrine-server",
            note="four application threads",
            unreadable="peregrine",
        ),
        Peer(
            "m0serve",
            _m0serve,
            "m0serve",
            note="four handler threads, connections of any number of requests",
        ),
        Peer(
            "raw",
            _raw,
            "$cc",
            note="epoll, read, write and a prepared reply in C: the kernel's ceiling",
            ceiling=True,
            only=HELLOS,
        ),
        Peer(
            "nginx",
            _nginx,
            "$nginx",
            note="one worker process, sendfile on",
            ceiling=True,
            only=frozenset({"file16m"}),
        ),
    )
}

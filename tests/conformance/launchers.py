"""How each server is started: all that the suite knows about any of them.

Every server gets four threads where it has threads, one process, default limits, and no access log.
To add one, add an entry here; a server without a command line of its own is started by
``embed.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

APP = "tests.conformance.app:application"
THREADS = 4


@dataclass(frozen=True)
class Launcher:
    """One server: its distribution on PyPI, its command line, and how it takes connections."""

    name: str
    package: str
    command: Callable[[int], list[str]]
    #: An incomplete request occupies no worker, so many may be open at once. False for servers
    #: that read the request in the worker: the suite then keeps to fewer connections than workers.
    event_driven: bool = True
    #: How many requests the application can run at once.
    threads: int = THREADS

    @property
    def parallel(self) -> int:
        """How many connections with unfinished requests the suite may hold open."""
        return 32 if self.event_driven else self.threads - 2


def _module(*words: str) -> Callable[[int], list[str]]:
    """A ``python -m`` command; ``PORT`` and ``APP`` in its words are replaced."""

    def command(port: int) -> list[str]:
        named = [word.replace("PORT", str(port)).replace("APP", APP) for word in words]
        return [sys.executable, "-m", *named]

    return command


def _uwsgi(port: int) -> list[str]:
    # The binary sits beside the interpreter; `--http` is how it is put on the network without a
    # proxy, and its router only keeps connections alive and takes chunked bodies when told to.
    return [
        str(Path(sys.executable).with_name("uwsgi")),
        *("--http", f"127.0.0.1:{port}", "--http-keepalive", "--http-auto-chunked"),
        *("--http-chunked-input", "--master", "--die-on-term", "--need-app"),
        *("--threads", str(THREADS), "--virtualenv", sys.prefix, "--pythonpath", "."),
        *("--disable-logging", "--module", APP),
    ]


LAUNCHERS: dict[str, Launcher] = {
    launcher.name: launcher
    for launcher in (
        Launcher(
            "headwaiter",
            "headwaiter",
            _module("headwaiter", "--listen", "127.0.0.1:PORT", "--threads", "4", "APP"),
        ),
        Launcher(
            "waitress",
            "waitress",
            _module("waitress", "--listen", "127.0.0.1:PORT", "--threads", "4", "APP"),
        ),
        Launcher(
            "gunicorn",
            "gunicorn",
            _module(
                *("gunicorn", "--bind", "127.0.0.1:PORT", "--worker-class", "gthread"),
                *("--threads", "4", "APP"),
            ),
            event_driven=False,
        ),
        Launcher(
            "granian",
            "granian",
            _module(
                *("granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "PORT"),
                *("--blocking-threads", "4", "APP"),
            ),
        ),
        Launcher("uwsgi", "uWSGI", _uwsgi, event_driven=False),
        Launcher(
            "cheroot",
            "cheroot",
            _module("cheroot", "--bind", "127.0.0.1:PORT", "--threads", "4", "APP"),
            event_driven=False,
        ),
        Launcher(
            "bjoern",
            "bjoern",
            _module("tests.conformance.embed", "bjoern", "PORT"),
            threads=1,
        ),
        Launcher(
            "fastwsgi",
            "fastwsgi",
            _module("tests.conformance.embed", "fastwsgi", "PORT"),
            threads=1,
        ),
    )
}

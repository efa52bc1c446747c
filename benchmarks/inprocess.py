"""Python's ceiling: the application called in a loop, without any server.

One thread builds a fresh environ, calls the application and joins the body, as a server must. What
that costs is the least that any server written for this interpreter can spend on Python itself; it
is shown beside the peers and never ranked with them.

`python -m benchmarks.inprocess SCENARIO` prints the CPU microseconds of one call.
"""

from __future__ import annotations

import importlib
import io
import subprocess
import sys
import time
from typing import Any

from benchmarks import results
from benchmarks.process import ROOT
from benchmarks.results import Cell
from benchmarks.scenarios import SCENARIOS

NAME = "in-process"
CALLS = {"hello-c64": 200_000, "json": 50_000, "flask": 20_000, "django": 1_000}
"""Calls per measurement: about half a second each."""


def keys_of(headers: dict[str, str]) -> dict[str, str]:
    """Header fields by their keys in an environ."""
    return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}


def environ(fields: dict[str, str]) -> dict[str, Any]:
    """What a GET without a body looks like (PEP 3333), with the header `fields` by their keys."""
    return {
        **fields,
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "none",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_HOST": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "REQUEST_URI": "/",
        "HTTP_HOST": "127.0.0.1:8080",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def cpu_per_call(scenario: str) -> float:
    """Microseconds of thread CPU time for one call of the scenario's application."""
    chosen = SCENARIOS[scenario]
    fields = keys_of(chosen.headers)
    module, _, name = chosen.app.partition(":")
    app = getattr(importlib.import_module(module), name)

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        pass

    def call(times: int) -> None:
        for _ in range(times):
            body = app(environ(fields), start_response)
            b"".join(body)
            if hasattr(body, "close"):
                body.close()

    times = CALLS[scenario]
    call(times // 10)
    start = time.thread_time()
    call(times)
    return 1e6 * (time.thread_time() - start) / times


def measure(scenario: str, rounds: int, cores: str | None) -> Cell:
    """`rounds` measurements, each in a new interpreter."""
    pinned = ["taskset", "--cpu-list", cores] if cores else []
    command = [*pinned, sys.executable, "-m", "benchmarks.inprocess", scenario]
    measured = []
    for _ in range(rounds):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return Cell(failure=(done.stderr.strip().splitlines() or ["no output"])[-1])
        measured.append(float(done.stdout))
    return Cell({"cpu_us": results.stat(measured)})


if __name__ == "__main__":
    print(cpu_per_call(sys.argv[1]))

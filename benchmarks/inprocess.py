"""Python's ceiling: the application called in a loop, without any server.

One thread builds a fresh environ, calls the application and joins the body, as a server must. What
that costs is the least that any server written for this interpreter can spend on Python itself; it
is shown beside the peers and never ranked with them.

`python -m benchmarks.inprocess SCENARIO` prints the CPU microseconds of one call. With
`--threads N` so many threads call it at once, and it prints the calls per second of all of them:
what an interpreter without a GIL allows a server on several cores.
"""

from __future__ import annotations

import argparse
import importlib
import io
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from benchmarks import results
from benchmarks.process import ROOT
from benchmarks.results import Cell
from benchmarks.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "in-process"
CALLS = {"hello-c64": 200_000, "json": 50_000, "flask": 20_000, "django": 1_000, "sleep2": 200}
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


def caller(scenario: str) -> Callable[[int], None]:
    """What calls the scenario's application so many times."""
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

    return call


def cpu_per_call(scenario: str) -> float:
    """Microseconds of thread CPU time for one call of the scenario's application."""
    call, times = caller(scenario), CALLS[scenario]
    call(times // 10)
    start = time.thread_time()
    call(times)
    return 1e6 * (time.thread_time() - start) / times


def calls_at_once(scenario: str, threads: int, seconds: float) -> float:
    """Calls per second, while `threads` threads call the scenario's application for `seconds`."""
    call, few = caller(scenario), max(CALLS[scenario] // 1000, 1)
    call(CALLS[scenario] // 10)
    ready = threading.Barrier(threads + 1)
    over = threading.Event()
    calls = [0] * threads

    def work(nth: int) -> None:
        ready.wait()
        while True:
            call(few)
            calls[nth] += few
            if over.is_set():
                return

    workers = [threading.Thread(target=work, args=(nth,)) for nth in range(threads)]
    for worker in workers:
        worker.start()
    ready.wait()
    start = time.perf_counter()
    time.sleep(seconds)
    over.set()
    for worker in workers:
        worker.join()
    return sum(calls) / (time.perf_counter() - start)


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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inprocess", description=__doc__)
    parser.add_argument("scenario", choices=CALLS)
    parser.add_argument("--threads", type=int, metavar="N", help="call it from so many at once")
    parser.add_argument("--seconds", type=float, default=3.0, help="for so long (3)")
    options = parser.parse_args()
    if options.threads:
        print(f"{calls_at_once(options.scenario, options.threads, options.seconds):.0f}")
    else:
        print(cpu_per_call(options.scenario))


if __name__ == "__main__":
    main()

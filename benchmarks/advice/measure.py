"""Runs a server under the load of a case: its throughput, and what it says itself."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.advice.cases import Case
from benchmarks.process import ROOT, free_port

HOST = "127.0.0.1"
WARM = 1.0
"""Seconds under load that are not counted."""
PATIENCE = 20.0
BURN = "while True: sum(range(1000))"


@dataclass(frozen=True)
class Run:
    """Replies a second to the path that is counted; the server's advice at the end, and how many
    requests a second it expects of other numbers of threads."""

    rate: float
    advice: dict[str, Any]
    expected: dict[int, float]


def run(case: Case, seconds: float, threads: int, processes: int = 1) -> Run:
    with contextlib.ExitStack() as stack:
        stack.enter_context(neighbours(case.neighbours))
        environ = stack.enter_context(service(case.service)) if case.service else {}
        started = server(case.app, environ, str(threads), processes)
        port, admin = stack.enter_context(started)
        load = Load(case, port)
        time.sleep(WARM)
        before, start = load.counted, time.monotonic()
        time.sleep(seconds)
        rate = (load.counted - before) / (time.monotonic() - start)
        if case.pause:
            load.stop()
            time.sleep(case.pause)
        status = ask(admin)
        load.stop()
    expected = {row["threads"]: row["rate"] for row in status["expected"]}
    return Run(rate, status["advice"], expected)


class Load:
    """The clients of a case, a thread each."""

    def __init__(self, case: Case, port: int) -> None:
        self._port = port
        self._over = threading.Event()
        self._counted = case.counted
        self._replies: dict[int, int] = {}
        paths = [path for path, clients in case.clients.items() for _ in range(clients)]
        for number, path in enumerate(paths):
            threading.Thread(target=self._client, args=(number, path), daemon=True).start()

    @property
    def counted(self) -> int:
        return sum(self._replies.values())

    def stop(self) -> None:
        self._over.set()

    def _client(self, number: int, path: str) -> None:
        connection = http.client.HTTPConnection(HOST, self._port)
        with contextlib.suppress(OSError, http.client.HTTPException):
            while not self._over.is_set():
                connection.request("GET", path)
                connection.getresponse().read()
                if path == self._counted:
                    self._replies[number] = self._replies.get(number, 0) + 1


@contextlib.contextmanager
def server(
    app: str, environ: dict[str, str], threads: str, processes: int = 1, log: str = os.devnull
) -> Iterator[tuple[int, int]]:
    """Yields its port and that of its admin endpoint; it logs to the file ``log``."""
    port, admin = free_port(), free_port()
    command = [
        *(sys.executable, "-m", "headwaiter", f"--listen={HOST}:{port}"),
        *(f"--admin={HOST}:{admin}", f"--threads={threads}", f"--processes={processes}"),
        *("--shutdown-timeout=1", f"benchmarks.advice.apps:{app}"),
    ]
    with open(log, "w") as errors:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environ}, stderr=errors)
    try:
        wait_until_ready(admin)
        yield port, admin
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


def wait_until_ready(admin: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            ask(admin)
        except (OSError, ValueError, http.client.HTTPException):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def ask(admin: int) -> dict[str, Any]:
    connection = http.client.HTTPConnection(HOST, admin, timeout=PATIENCE)
    try:
        connection.request("GET", "/status.json")
        status: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return status


@contextlib.contextmanager
def service(width: int) -> Iterator[dict[str, str]]:
    """What the application must find in its environment."""
    command = [sys.executable, "-m", "benchmarks.advice.service", str(width)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        try:
            yield {"ADVICE_SERVICE": process.stdout.readline().strip()}
        finally:
            process.kill()


@contextlib.contextmanager
def neighbours(number: int) -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()

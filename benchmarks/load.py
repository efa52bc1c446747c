"""Makes the load of one run and says what came back.

wrk does the closed loops, with `clients/report.lua` for methods, bodies and pipelining; the modules
beside that script do what wrk cannot. Every load is a process of its own, on its own core when the
run is pinned, and ends by itself.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.process import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.scenarios import Scenario

SCRIPT = Path(__file__).parent / "clients" / "report.lua"
MARKER = "RESULT "
SPARE_SECONDS = 15.0


class LoadError(Exception):
    """The load generator failed or reported nothing."""


@dataclass(frozen=True)
class Outcome:
    """What the clients of one run saw."""

    requests: int
    """Answered requests, whatever their status."""
    seconds: float
    errors: int
    """Connections refused or broken, timeouts, and replies that were not 2xx."""
    p50_us: float | None
    p99_us: float | None
    """Latencies; `None` with pipelining, where wrk's are not those of a request."""


def wrk(scenario: Scenario, port: int, seconds: int, cores: str | None) -> Outcome:
    """A closed loop: each connection sends its next request when the last was answered."""
    fields = [part for item in scenario.headers.items() for part in ("-H", ": ".join(item))]
    command = [
        *("wrk", "--threads", "1", "--connections", str(scenario.connections)),
        *("--duration", f"{seconds}s", "--timeout", "2s", "--script", str(SCRIPT)),
        *(*fields, f"http://127.0.0.1:{port}{scenario.path}", "--"),
        *(scenario.method, str(scenario.body_size), str(scenario.pipeline)),
    ]
    for line in _run(_pinned(command, cores), seconds).splitlines():
        if line.startswith(MARKER):
            return parse_wrk(line[len(MARKER) :], pipelined=scenario.pipeline > 1)
    raise LoadError("wrk reported nothing")


def parse_wrk(line: str, *, pipelined: bool = False) -> Outcome:
    """Read the line of JSON that `report.lua` prints."""
    seen = json.loads(line)
    errors = sum(seen[kind] for kind in ("connect", "read", "write", "status", "timeout"))
    latencies = (None, None) if pipelined else (seen["p50_us"], seen["p99_us"])
    return Outcome(seen["requests"], seen["seconds"], errors, *latencies)


def paced(port: int, seconds: int, cores: str | None) -> Outcome:
    """An open loop; see `clients/paced.py`."""
    command = [sys.executable, "-m", "benchmarks.clients.paced", str(port), str(seconds)]
    seen = json.loads(_run(_pinned(command, cores), seconds))
    return Outcome(
        seen["requests"], seen["seconds"], seen["errors"], seen["p50_us"], seen["p99_us"]
    )


class Crowd:
    """Hostile clients that stand; see `clients/hostile.py`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.at_first = self._count()

    def dismiss(self) -> int:
        """End them; how many connections the server had left open until then."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._count()

    def _count(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise LoadError("the hostile clients ended early")
        return int(json.loads(line)["held"])


@contextlib.contextmanager
def crowd(kind: str, count: int, port: int, seconds: int, cores: str | None) -> Iterator[Crowd]:
    """Hostile clients for the length of a `with` block, gone after `seconds` at the latest."""
    command = [
        *(sys.executable, "-m", "benchmarks.clients.hostile"),
        *(kind, str(count), str(port), str(seconds)),
    ]
    process = subprocess.Popen(
        _pinned(command, cores),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Crowd(process)
        finally:
            process.kill()


def _pinned(command: list[str], cores: str | None) -> list[str]:
    return ["taskset", "--cpu-list", cores, *command] if cores else command


def _run(command: list[str], seconds: int) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=seconds + SPARE_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"{command[0]} did not end") from error
    except subprocess.CalledProcessError as error:
        raise LoadError((error.stderr or error.stdout).strip()[-200:]) from error
    return done.stdout

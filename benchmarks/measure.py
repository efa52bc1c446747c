"""One cell of the tables: a scenario served once by one peer."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks import load
from benchmarks.process import Answer, Server, ServerError, exchange, free_port, have, request
from benchmarks.scenarios import Load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.peers import Peer
    from benchmarks.scenarios import Scenario

WARM_REQUESTS = 200
WARM_SECONDS = 0.3
SETTLE_SECONDS = 5.0
"""The longest wait, between the hostile clients' arrival and the run beside them, for calm."""
GLANCE_SECONDS = 0.25
CALM_SHARE = 0.05
"""Of one core, used over a glance: less is calm."""
CROWD_SPARE_SECONDS = 30
ATTACH_SECONDS = 0.4
SYSCALLS = "raw_syscalls:sys_enter"


@dataclass(frozen=True)
class Cores:
    """Where server and load run; `None` leaves it to the kernel."""

    server: str | None
    load: str | None


@dataclass(frozen=True)
class Sample:
    """What one run gave. Figures a scenario does not have are `None`."""

    requests: int
    errors: int
    rps: float
    cpu_us: float | None
    """User and system time of the whole process tree per answered request."""
    p50_us: float | None
    p99_us: float | None
    switches: float | None
    """Context switches per answered request."""
    peak_bytes: int
    """Peak resident size of the whole process tree."""
    calm_rps: float | None = None
    """Requests per second before the hostile clients came."""
    calm_cpu_us: float | None = None
    settle_seconds: float | None = None
    """How long the hostile clients' arrival alone kept the server busy, in glances."""
    held: int | None = None
    """Hostile connections that were open throughout."""
    connection_bytes: float | None = None
    """Growth of the resident size per hostile connection."""
    cores: float | None = None
    """CPU seconds per second: how many cores it used, whatever it was told to use."""


def measure(scenario: Scenario, peer: Peer, seconds: int, cores: Cores) -> Sample:
    """Start the peer, check its answer, load it, stop it.

    Raises:
        ServerError: It did not start or answers wrongly.
        LoadError: The load could not be made.
    """
    with started(scenario, peer, cores) as server:
        if scenario.load is Load.BESIDE:
            return _beside(scenario, server, seconds, cores)
        return _loaded(scenario, server, seconds, cores)


def count_syscalls(scenario: Scenario, peer: Peer, cores: Cores) -> float:
    """System calls per request, in a run of its own since counting them slows the server.

    Raises:
        ServerError: It did not start or answers wrongly.
        LoadError: The load could not be made or perf gave no count.
    """
    with started(scenario, peer, cores) as server:
        pids = ",".join(map(str, server.processes()))
        perf = subprocess.Popen(
            ["perf", "stat", "-x", ",", "-e", SYSCALLS, "-p", pids],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            time.sleep(ATTACH_SECONDS)
            outcome = load.wrk(scenario, server.port, 1, cores.load)
        finally:
            perf.send_signal(signal.SIGINT)
            _, counted = perf.communicate()
    first = counted.partition(",")[0].strip()
    if not first.isdigit() or not outcome.requests:
        raise load.LoadError(f"perf counted nothing: {counted.strip()[:100]}")
    return int(first) / outcome.requests


def can_count_syscalls() -> bool:
    """Whether perf is there and may see the kernel's tracepoint."""
    if not have("perf"):
        return False
    tried = subprocess.run(
        ["perf", "stat", "-x", ",", "-e", SYSCALLS, "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return tried.returncode == 0 and tried.stderr.partition(",")[0].strip().isdigit()


@contextlib.contextmanager
def started(scenario: Scenario, peer: Peer, cores: Cores) -> Iterator[Server]:
    """The peer, warm, with the scenario's application, for the length of a `with` block.

    Raises:
        ServerError: It did not start or answers wrongly.
    """
    port = free_port()
    with Server(peer.command(port, scenario.app), port, cores.server) as server:
        body = b"x" * scenario.body_size
        sent = request(scenario.method, scenario.path, body, scenario.headers)
        server.wait_ready(sent)
        _check_answer(scenario, port, sent)
        _warm(port, sent)
        yield server


def _check_answer(scenario: Scenario, port: int, sent: bytes) -> None:
    closing = scenario.headers.get("Connection") == "close"
    try:
        answer = exchange(port, sent, linger=1.0 if closing else 0.0)
    except OSError as error:
        raise ServerError(f"no answer: {error}") from error
    if answer.status != 200:
        raise ServerError(f"wrong: answers {answer.status}")
    if reason := wrong_body(scenario, answer):
        raise ServerError(f"wrong: {reason}")
    if closing and not answer.closed:
        # wrk would go on with the same connection and measure keep-alive.
        raise ServerError("keeps the connection open in spite of `Connection: close`")


def wrong_body(scenario: Scenario, answer: Answer) -> str | None:
    """What is wrong with the body of an answer, in words; `None` if nothing is."""
    try:
        body = answer.payload()
    except ValueError:
        return "the chunks of the answer are broken"
    if scenario.answer is not None and len(body) != scenario.answer:
        return f"answers {len(body)} bytes instead of {scenario.answer}"
    piece = scenario.piece
    if piece is not None and (not body or body != piece * (len(body) // len(piece))):
        return "answers other bytes than the application's"
    return None


def _warm(port: int, sent: bytes) -> None:
    """Let the interpreter specialise its bytecode and the allocators fill their pools."""
    end = time.monotonic() + WARM_SECONDS
    for _ in range(WARM_REQUESTS):
        if time.monotonic() > end:
            break
        with contextlib.suppress(OSError):
            exchange(port, sent)


def _loaded(scenario: Scenario, server: Server, seconds: int, cores: Cores) -> Sample:
    length = max(1, round(seconds * scenario.stretch))
    before = server.usage()
    if scenario.load is Load.PACED:
        outcome = load.paced(server.port, length, cores.load)
    else:
        outcome = load.wrk(scenario, server.port, length, cores.load)
    used = server.usage().since(before)
    answered = outcome.requests
    return Sample(
        requests=answered,
        errors=outcome.errors,
        rps=answered / outcome.seconds,
        cpu_us=1e6 * used.cpu_seconds / answered if answered else None,
        p50_us=outcome.p50_us,
        p99_us=outcome.p99_us,
        switches=used.switches / answered if answered else None,
        peak_bytes=server.resident("VmHWM"),
        cores=used.cpu_seconds / outcome.seconds,
    )


def _beside(scenario: Scenario, server: Server, seconds: int, cores: Cores) -> Sample:
    assert scenario.hostile is not None
    kind, count = scenario.hostile
    calm = _loaded(scenario, server, seconds, cores)
    lean = server.resident()
    lifetime = seconds + CROWD_SPARE_SECONDS
    with load.crowd(kind, count, server.port, lifetime, cores.load) as crowd:
        settled = _settle(server)
        grown = server.resident() - lean
        sample = _loaded(scenario, server, seconds, cores)
        held = crowd.dismiss()
    return replace(
        sample,
        calm_rps=calm.rps,
        calm_cpu_us=calm.cpu_us,
        settle_seconds=settled,
        held=held,
        connection_bytes=grown / crowd.at_first if crowd.at_first else None,
    )


def _settle(server: Server) -> float:
    """Wait until the server has nothing to do; the seconds until then."""
    busy = 0.0
    while busy < SETTLE_SECONDS:
        before = server.usage()
        time.sleep(GLANCE_SECONDS)
        if server.usage().since(before).cpu_seconds < CALM_SHARE * GLANCE_SECONDS:
            break
        busy += GLANCE_SECONDS
    return busy

"""One attack on one fresh server: calm, under attack, and when it is over.

The server has a core of its own where there are two, the attackers another, at low priority; the
watchdog a third, or it goes before the attackers on theirs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.attacks.watchdog import PATIENCE_SECONDS, Seen
from benchmarks.process import PROC, ROOT, Server, ServerError, free_port, request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.attacks.attack import Row
    from benchmarks.peers import Peer

APP = "benchmarks.apps.attacked:app"
THREADS = "4"
SPARE_SECONDS = 30.0
"""How long attackers may take beyond their time, which a server that stands still can cost them."""
LINGER_SECONDS = 0.5
"""The watchdog stays so long when the attackers' connections are closed."""
SAMPLE_SECONDS = 0.1
VISIT = b"/visit"
NICE = "5"
"""By how much the attackers stand back for the watchdog, which wakes up on the same core."""


@dataclass(frozen=True)
class Places:
    """Lists of cores for `taskset`; `None` leaves it to the kernel."""

    server: str | None = None
    attackers: str | None = None
    watchdog: str | None = None


@dataclass(frozen=True)
class Plan:
    """How long everything takes, in seconds."""

    calm: float = 3.0
    attack: float = 6.0
    settle: float = 5.0
    scale: float = 1.0


@dataclass(frozen=True)
class Weight:
    """What the server's processes hold at one moment."""

    rss: int
    files: int


@dataclass
class Result:
    """Everything that was seen of one attack."""

    calm: dict[str, Seen] = field(default_factory=dict)
    during: dict[str, Seen] = field(default_factory=dict)
    after: dict[str, Seen] = field(default_factory=dict)
    before: Weight | None = None
    peak: Weight | None = None
    settled: Weight | None = None
    tally: dict[str, int] = field(default_factory=dict)
    """What the attackers did."""
    logged: int | None = None
    """Lines of honest visits in the access log, where there is one."""
    failure: str | None = None
    """Why a figure is missing: the server ended, say."""


def places() -> Places:
    """Apart from each other, as far as there are cores."""
    usable = [str(core) for core in sorted(os.sched_getaffinity(0))]
    if len(usable) < 2:
        return Places()
    return Places(usable[0], usable[1], usable[min(2, len(usable) - 1)])


def measure(row: Row, peer: Peer, where: Places, plan: Plan) -> Result:
    """Start the server, watch it calm, attacked and relieved, stop it.

    Whatever goes wrong is in the result, beside what was seen until then.
    """
    result = Result()
    with tempfile.TemporaryDirectory(prefix="attacks-") as directory:
        port, admin = free_port(), free_port()
        command = server_command(row, peer, port, admin, directory)
        try:
            with Server(command, port, where.server) as server:
                server.wait_ready(request("GET", "/"))
                probes = row.probes if is_ours(peer) else ("view", "visit")
                watchdog = Watchdog(server, admin, probes, where.watchdog)
                _measure(row, server, admin, watchdog, where, plan, result)
                _let_finish(server)
        except (ServerError, OSError) as error:
            result.failure = str(error)
        result.logged = logged_visits(Path(directory) / "access.log")
    return result


def server_command(row: Row, peer: Peer, port: int, admin: int, directory: str) -> list[str]:
    """headwaiter with the row's settings; any other peer as it is measured elsewhere."""
    limits = []
    if row.files is not None:
        limits.append(f"--nofile={row.files}:{row.files}")
    if row.address_space is not None:
        limits.append(f"--as={row.address_space}:{row.address_space}")
    limited = ["prlimit", *limits, "--"] if limits else []
    if not is_ours(peer):
        return [*limited, *peer.command(port, APP)]
    settings = {
        "listen": f"127.0.0.1:{port}",
        "admin": f"127.0.0.1:{admin}",
        "health-path": "/healthz",
        "spool-dir": directory,
        "threads": THREADS,
        **{name: value.format(directory=directory) for name, value in row.settings.items()},
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    return [*limited, sys.executable, "-m", "headwaiter", *flags, APP]


def is_ours(peer: Peer) -> bool:
    return peer.needs == "headwaiter"


def logged_visits(log: Path) -> int | None:
    """How many lines of the access log are about honest visits; `None` without a log."""
    if not log.is_file():
        return None
    with log.open("rb") as lines:
        return sum(VISIT in line for line in lines)


def _measure(
    row: Row,
    server: Server,
    admin: int,
    watchdog: Watchdog,
    where: Places,
    plan: Plan,
    result: Result,
) -> None:
    with watchdog.watching(result.calm):
        time.sleep(plan.calm)
    result.before = result.peak = weigh(server)
    _forget_peak(server)
    with watchdog.watching(result.during), Scales(server) as scales:
        result.tally = _attack(row, server.port, admin, where, plan)
        time.sleep(LINGER_SECONDS)
    if not server.processes():
        raise ServerError(f"the server ended: {server.last_words(2)}")
    result.peak = Weight(server.resident("VmHWM"), scales.files)
    with watchdog.watching(result.after):
        time.sleep(plan.settle)
    result.settled = weigh(server)


def _attack(row: Row, port: int, admin: int, where: Places, plan: Plan) -> dict[str, int]:
    seconds = plan.attack * row.stretch
    command = [
        *("nice", "-n", NICE, sys.executable, "-m", "benchmarks.attacks.attacker"),
        *(row.name, str(port), str(admin), str(seconds), str(plan.scale)),
    ]
    try:
        done = subprocess.run(
            pinned(command, where.attackers),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=seconds + SPARE_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise ServerError("the attackers did not end") from error
    except subprocess.CalledProcessError as error:
        raise ServerError("the attackers failed") from error
    tally: dict[str, int] = json.loads(done.stdout)
    return tally


class Watchdog:
    """Starts the watchdog's process, anew for each phase."""

    def __init__(
        self, server: Server, admin: int, probes: tuple[str, ...], cores: str | None
    ) -> None:
        pid = next(iter(server.processes()), 0)
        command = [
            *(sys.executable, "-m", "benchmarks.attacks.watchdog"),
            *(str(pid), str(server.port), str(admin), ",".join(probes)),
        ]
        self._command = pinned(command, cores)

    @contextlib.contextmanager
    def watching(self, seen: dict[str, Seen]) -> Iterator[None]:
        """Watch for the length of a `with` block; then `seen` has what each probe saw."""
        process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with process:
            try:
                yield
            finally:
                try:
                    told, _ = process.communicate(timeout=2 * PATIENCE_SECONDS + SPARE_SECONDS)
                except subprocess.TimeoutExpired as error:
                    raise ServerError("the watchdog did not end") from error
                else:
                    seen.update((name, Seen(**one)) for name, one in json.loads(told).items())
                finally:
                    process.kill()


class Scales:
    """The most descriptors of the server for the length of a `with` block, both ends included."""

    def __init__(self, server: Server) -> None:
        self.files = 0
        self._server = server
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Scales:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        self._weigh()
        while not self._done.wait(SAMPLE_SECONDS):
            self._weigh()
        self._weigh()

    def _weigh(self) -> None:
        self.files = max(self.files, weigh(self._server).files)


def weigh(server: Server) -> Weight:
    files = 0
    for pid in server.processes():
        with contextlib.suppress(OSError):
            files += len(os.listdir(PROC / str(pid) / "fd"))
    return Weight(server.resident(), files)


def pinned(command: list[str], cores: str | None) -> list[str]:
    return ["taskset", "--cpu-list", cores, *command] if cores else command


def _let_finish(server: Server) -> None:
    """Ask it to stop and let it write the rest of its log: `Server.stop` would kill it soon."""
    for pid in server.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + SPARE_SECONDS
    while server.processes() and time.monotonic() < deadline:
        time.sleep(0.05)


def _forget_peak(server: Server) -> None:
    """Let VmHWM count from now on (`proc(5)`, clear_refs)."""
    for pid in server.processes():
        (PROC / str(pid) / "clear_refs").write_text("5")

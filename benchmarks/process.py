"""Start a server, wait until it answers, measure its whole process tree, stop it.

All processes of a server are in the session that its first process leads, so they are found without
trusting parents to stay alive. CPU time is read from each process' CPU clock, which counts in
nanoseconds and includes threads that have ended; the tick counters of `/proc/PID/stat` would be
half a percent off in a run of two seconds, and far more in one that mostly waits.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from typing_extensions import Self

PROC = Path("/proc")
ROOT = Path(__file__).resolve().parent.parent
FIRST_PORT, LAST_PORT = 21_000, 29_999
START_SECONDS = 15.0
STOP_SECONDS = 3.0
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+) *\r\n", re.IGNORECASE)

CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked *\r\n", re.IGNORECASE)


class ServerError(Exception):
    """The server did not start, or did not answer as the scenario asks."""


@dataclass(frozen=True)
class Usage:
    """What a process tree has used since it started."""

    cpu_seconds: float
    switches: int
    """Voluntary and involuntary context switches of the threads alive now."""

    def since(self, before: Usage) -> Usage:
        return Usage(self.cpu_seconds - before.cpu_seconds, self.switches - before.switches)


class Server:
    """A running server; leaving the `with` block ends every process of it."""

    def __init__(self, command: list[str], port: int, cores: str | None) -> None:
        self.port = port
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `stop`)
        pinned = ["taskset", "--cpu-list", cores] if cores else []
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
        self._process = subprocess.Popen(
            [*pinned, *command],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def wait_ready(self, sent: bytes) -> None:
        """Wait until the server answers `sent`, with whatever status.

        Raises:
            ServerError: It ended, or did not answer in 15 seconds; the message has its last words.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerError(f"ended at start: {self.last_words()}")
            try:
                exchange(self.port, sent)
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise ServerError(f"no answer in {START_SECONDS:.0f} s: {self.last_words()}")

    def usage(self) -> Usage:
        """CPU time and context switches of all its processes so far."""
        cpu, switches = 0.0, 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                cpu += cpu_seconds(pid)
                switches += _switches(pid)
        return Usage(cpu, switches)

    def resident(self, field: str = "VmRSS") -> int:
        """Resident bytes of all its processes together; `VmHWM` asks for the peak instead."""
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                total += 1024 * status_number((PROC / str(pid) / "status").read_text(), field)
        return total

    def processes(self) -> list[int]:
        return list(_session_members(self._process.pid))

    def last_words(self, count: int = 1) -> str:
        """The last lines the server printed."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return "; ".join(line[:200] for line in lines[-count:]) if lines else "(it printed nothing)"

    def stop(self) -> None:
        """Ask it to stop; kill what is left after three seconds."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        while left := self.processes():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # A killed process is gone once the kernel has torn it down; big ones take a while.
            time.sleep(0.005)
        self._process.wait()
        self._log.close()


def free_port() -> int:
    """A port nobody listens on, below the range from which clients' ports are taken.

    Each call starts after the port handed out before, so that a new server never meets the
    connections in TIME_WAIT of the last one.
    """
    global _next_port
    for _ in range(FIRST_PORT, LAST_PORT):
        port, _next_port = _next_port, _next_port + 1
        if _next_port > LAST_PORT:
            _next_port = FIRST_PORT
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerError(f"no free port from {FIRST_PORT} to {LAST_PORT}")


def request(
    method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    """A request after which the server closes the connection."""
    fields = {"Host": "bench", **(headers or {}), "Connection": "close"}
    if body:
        fields["Content-Length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


@dataclass(frozen=True)
class Answer:
    """What came back on a connection of its own."""

    status: int
    body: bytes
    """The bytes after the head, as framed."""
    closed: bool
    """Whether the server closed the connection, rather than leaving that to the client."""
    chunked: bool = False

    def payload(self) -> bytes:
        """The body without its framing.

        Raises:
            ValueError: The chunks are none, or do not end.
        """
        if not self.chunked:
            return self.body
        found, rest = bytearray(), self.body
        while True:
            line, _, rest = rest.partition(b"\r\n")
            size = int(line.partition(b";")[0], 16)
            if not size:
                return bytes(found)
            found += rest[:size]
            if rest[size : size + 2] != b"\r\n":
                raise ValueError("a chunk is cut")
            rest = rest[size + 2 :]


def exchange(port: int, sent: bytes, timeout: float = 5.0, linger: float = 0.0) -> Answer:
    """Send one request on a new connection and read until its length is reached or it ends.

    `linger` is how many seconds to wait then for the server to close.

    Raises:
        OSError: Nothing listens, or what came back is not HTTP.
    """
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(sent)
        received = bytearray()
        closed = False
        while not closed and not _complete(received):
            chunk = connection.recv(1 << 20)
            received += chunk
            closed = not chunk
        if linger and not closed:
            connection.settimeout(linger)
            with contextlib.suppress(socket.timeout):
                closed = not connection.recv(1)
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    parts = head.split(b" ", 2)
    if not head.startswith(b"HTTP/1.") or len(parts) < 2 or not parts[1].isdigit():
        raise OSError(f"not an HTTP reply: {head[:60]!r}")
    return Answer(int(parts[1]), body, closed, CHUNKED.search(head + b"\r\n") is not None)


def raise_descriptor_limit() -> None:
    """Thousands of sockets are needed; servers inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def status_number(status: str, field: str) -> int:
    """The number of one field in the text of `/proc/PID/status`; 0 if there is none."""
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    return 0


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, of threads that have ended, too.

    Raises:
        OSError: There is no such process.
    """
    return time.clock_gettime(_cpu_clock(pid))


def have(program: str) -> bool:
    return shutil.which(program) is not None


def _complete(received: bytearray) -> bool:
    """Whether the reply names its length and has reached it; replies that do not end by closing."""
    end = received.find(b"\r\n\r\n")
    length = CONTENT_LENGTH.search(received, 0, end + 2) if end >= 0 else None
    return length is not None and len(received) >= end + 4 + int(length.group(1))


def _session_members(leader: int) -> Iterator[int]:
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The command's name stands in parentheses and may hold spaces.
                fields = (entry / "stat").read_text().rpartition(") ")[2].split()
                state, session = fields[0], int(fields[3])
                if session == leader and state != "Z":
                    yield int(entry.name)


def _switches(pid: int) -> int:
    total = 0
    for task in (PROC / str(pid) / "task").iterdir():
        with contextlib.suppress(OSError):
            status = (task / "status").read_text()
            total += status_number(status, "voluntary_ctxt_switches")
            total += status_number(status, "nonvoluntary_ctxt_switches")
    return total


def _cpu_clock(pid: int) -> int:
    """The clock id that Linux gives a process' CPU time (as `clock_getcpuclockid` builds it)."""
    cpuclock_sched = 2
    return (~pid << 3) | cpuclock_sched


_next_port = FIRST_PORT + os.getpid() % 4096

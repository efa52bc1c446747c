"""One server process under test: started, probed, restarted after a crash, and always stopped.

The process is the leader of its own session, so that workers it forked end with it. What the
application did is read from its journal (``app/journal.py``), never asked of the server.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.conformance.client import Connection, ask
from tests.conformance.launchers import Launcher
from tests.conformance.model import Failed
from tests.conformance.replies import Reply

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 20.0
# In the server's own environment: none of it may show in a request's environ (granian#878).
PROCESS_ENVIRON = {
    "HTTP_HOST": "process.invalid",
    "HTTP_X_FROM_PROCESS": "1",
    "REQUEST_METHOD": "PROCESS",
    "QUERY_STRING": "from=process",
}


class NotStarted(Exception):
    """The server could not be started; the text has the end of its output."""


class Server:
    """A running server. Rows get one of these and talk to it through it."""

    def __init__(self, launcher: Launcher, *, patience: float = 2.0, cuts: int = 16) -> None:
        self.launcher = launcher
        #: In how many places an input is cut at most.
        self.cuts = cuts
        #: Seconds to wait for something that should come at once.
        self.patience = patience
        self._folder = tempfile.TemporaryDirectory(prefix="conformance-")
        self.folder = Path(self._folder.name)
        self._journal = self.folder / "journal"
        self._tags = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.boot = ""

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._folder.cleanup()

    # -- the process ---------------------------------------------------------------------------

    def start(self) -> None:
        """Starts the process and waits until the application has answered once."""
        self.port = _free_port()
        self._journal.write_bytes(b"")
        self._read, self._events = 0, dict[str, list[dict[str, Any]]]()
        environ = dict(os.environ, **PROCESS_ENVIRON)
        environ["CONFORMANCE_FOLDER"] = str(self.folder)
        environ["PYTHONPATH"] = str(ROOT)
        with (self.folder / "output").open("wb") as output:
            try:
                self._process = subprocess.Popen(
                    self.launcher.command(self.port),
                    cwd=ROOT,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise NotStarted(str(error)) from error
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            boot = self.ping()
            if boot:
                self.boot = boot
                return
            time.sleep(0.02)  # nothing to wait on: the port is not open yet
        self.stop()
        raise NotStarted(self.output()[-2000:])

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a worker that outlived its master
        process.wait()

    def ended(self, *, wait: bool) -> str | None:
        """How the process ended; None if it runs. ``wait``: it may be about to end."""
        if self._process is None:
            return "not running"
        with suppress(subprocess.TimeoutExpired):
            return f"process ended with {self._process.wait(1.0 if wait else 0.0)}"
        return None

    def ping(self) -> str:
        """A plain request on its own connection: the name of the running application, or ''."""
        try:
            reply = ask(self.port, b"GET /ping HTTP/1.0\r\nHost: conformance\r\n\r\n", 1.0)
        except (OSError, Failed):
            return ""
        return reply.body.decode("latin-1") if reply is not None and reply.status == 200 else ""

    def output(self) -> str:
        return (self.folder / "output").read_text("utf-8", "replace")

    def cpu_seconds(self) -> float | None:
        """CPU time of the whole session so far, or None where /proc does not tell."""
        assert self._process is not None
        ticks = 0
        try:
            for stat in Path("/proc").glob("[0-9]*/stat"):
                with suppress(FileNotFoundError, ProcessLookupError):
                    words = stat.read_text("latin-1").rpartition(")")[2].split()
                    if int(words[3]) == self._process.pid:  # session
                        ticks += int(words[11]) + int(words[12])
        except OSError:
            return None
        return ticks / os.sysconf("SC_CLK_TCK") if ticks else None

    # -- talking to it -------------------------------------------------------------------------

    def tag(self) -> str:
        """A new name for one exchange; the application journals what it sees under it."""
        return f"tag{next(self._tags):06d}x"

    def connect(self, *, receive_buffer: int | None = None) -> Connection:
        return Connection(self.port, self.patience, receive_buffer=receive_buffer)

    def get(self, target: str, *fields: str, method: str = "GET", minor: int = 1) -> Reply:
        """One request on its own connection; the reply must be complete."""
        with self.connect() as connection:
            connection.request(target, *fields, method=method, minor=minor)
            return connection.reply()

    def journal(self, tag: str) -> list[dict[str, Any]]:
        """What the application noted under ``tag`` so far, oldest first."""
        with self._journal.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                event = json.loads(line)
                self._events.setdefault(event["tag"], []).append(event)
        return self._events.get(tag, [])

    def noted(self, tag: str, what: str) -> list[dict[str, Any]]:
        """The events of one kind under ``tag``."""
        return [event for event in self.journal(tag) if event["what"] == what]

    def wait_for(self, tag: str, what: str) -> list[dict[str, Any]]:
        """Like :meth:`noted`, but waits up to ``patience`` for the first such event."""
        deadline = time.monotonic() + self.patience
        while not (found := self.noted(tag, what)) and time.monotonic() < deadline:
            time.sleep(0.005)  # the journal is a file: nothing to wait on
        return found

    def release(self, tag: str) -> None:
        """Lets an application that waits under ``tag`` go on."""
        (self.folder / tag).touch()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

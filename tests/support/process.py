"""A server in a process of its own, started as a person would: through the command line.

``start_server`` returns once the banner named every address, so the first request can be sent
without waiting. Leaving the ``with`` block stops the server by SIGTERM and checks how it left.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Callable
from urllib.parse import urlsplit

from .http import TIMEOUT, Endpoint
from .target import IS_WAITRESS, NAME

ROOT = Path(__file__).resolve().parents[2]
URL = re.compile(r"(https?://\S+?:\d+)\b|unix:(\S+)")
BANNER_TIMEOUT = 30.0
AMBIENT = ("HEADWAITER_", "PORT", "PYTHON", "WEB_CONCURRENCY")


class ServerProcess(Endpoint):
    """A running ``python -m headwaiter``."""

    def __init__(
        self,
        argv: list[str],
        env: Mapping[str, str],
        cwd: Path,
        pass_fds: tuple[int, ...],
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        super().__init__()
        self.argv = argv
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._stopped = False
        self.process = subprocess.Popen(
            argv,
            env=dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            text=True,
            errors="replace",
        )
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        try:
            if kind is None and not self._stopped:
                self.stop()
        finally:
            self.kill()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        """What the process has written to stderr so far."""
        with self._news:
            return "".join(self._lines)

    def wait_for_log(self, pattern: str, timeout: float = TIMEOUT) -> re.Match[str]:
        """Waits until stderr matches ``pattern``."""
        found: list[re.Match[str]] = []

        def matches() -> bool:
            match = re.search(pattern, "".join(self._lines))
            if match:
                found.append(match)
            return bool(match)

        self._wait(matches, timeout, pattern)
        return found[0]

    def end_input(self) -> None:
        """Closes the program's stdin: the word to go on, for programs that wait for it."""
        assert self.process.stdin
        self.process.stdin.close()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Waits for the process to leave by itself; returns its exit code, stderr read whole."""
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        self._stopped = True
        return code

    def stop(self, expect: int = 0, timeout: float = TIMEOUT) -> float:
        """Stops by SIGTERM, asserts the exit code and returns the seconds that it took."""
        began = time.monotonic()
        self.signal(signal.SIGTERM)
        code = self.wait(timeout)
        took = time.monotonic() - began
        if IS_WAITRESS and code == -signal.SIGTERM:  # it installs no handler
            return took
        assert code == expect, f"exit code {code}, expected {expect}\n{self.log}"
        return took

    def kill(self) -> None:
        """Ends the process now, whatever state it is in, and closes what is open to it."""
        self.disconnect()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(TIMEOUT)
        for pipe in (self.process.stdin, self.process.stderr):
            if pipe:
                pipe.close()
        self._stopped = True

    def wait_for_addresses(self, count: int) -> None:
        """Waits until the banner has named ``count`` addresses."""

        def listening() -> bool:
            return len(URL.findall("".join(self._lines))) >= count

        self._wait(listening, BANNER_TIMEOUT, f"{count} addresses in the banner")
        for url, path in URL.findall(self.log)[:count]:
            if path:
                self.addresses.append(path)
            else:
                parts = urlsplit(url)
                self.addresses.append((parts.hostname or "", parts.port or 0))

    def _wait(self, done: Callable[[], bool], timeout: float, what: str) -> None:
        with self._news:
            self._news.wait_for(lambda: done() or self._ended, timeout)
            if not done():
                state = "process ended" if self._ended else f"{timeout:g} s passed"
                raise AssertionError(
                    f"{state} before: {what}\n{' '.join(self.argv)}\n{''.join(self._lines)}"
                )

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def flags(settings: Mapping[str, object]) -> list[str]:
    """Settings as flags: a list repeats its flag, a bool becomes ``--x`` or ``--no-x``."""
    argv: list[str] = []
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            argv.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            items = value if isinstance(value, (list, tuple)) else [value]
            argv.extend(f"--{flag}={item}" for item in items)
    return argv


def environment(**extra: str) -> dict[str, str]:
    """This process' environment without anything that would configure the server under test."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(AMBIENT)}
    clean["PYTHONUNBUFFERED"] = "1"
    clean.update(extra)
    return clean


def start_server(
    app: str = "tests.support.apps:hello",
    *,
    python: str = sys.executable,
    interpreter_flags: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    addresses: int = 1,
    pass_fds: tuple[int, ...] = (),
    **settings: object,
) -> ServerProcess:
    """Starts ``python -m headwaiter`` serving ``app`` and waits until it listens.

    ``addresses`` says how many the banner will name. Without ``listen``, ``unix_socket`` or
    ``fd`` among the settings the server listens on a free port of 127.0.0.1.
    """
    if not {"listen", "unix_socket", "host", "port"} & settings.keys():
        settings = {"listen": "127.0.0.1:0", **settings}
    argv = [python, *interpreter_flags, "-m", NAME, *flags(settings), app]
    server = ServerProcess(argv, environment(**(env or {})), cwd, pass_fds)
    try:
        server.wait_for_addresses(addresses)
    except BaseException:
        server.kill()
        raise
    return server


def start_program(module: str, *arguments: str, **env: str) -> ServerProcess:
    """Starts ``python -m module`` with an open stdin and waits for the address that it prints."""
    argv = [sys.executable, "-m", module, *arguments]
    server = ServerProcess(argv, environment(**env), ROOT, (), stdin=subprocess.PIPE)
    try:
        server.wait_for_addresses(1)
    except BaseException:
        server.kill()
        raise
    return server


def run_cli(*argv: str, timeout: float = TIMEOUT, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line to its end; for starts that are expected to fail."""
    return subprocess.run(
        [sys.executable, "-m", NAME, *argv],
        env=environment(**env),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )

"""A program on a terminal of its own, as a person sees it: what it shows, keys, signals."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import Any

TIMEOUT = 20.0
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# Python with the given arguments, whose terminal it controls: Ctrl-C and Ctrl-Z become signals.
IN_CONTROL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class TerminalProgram:
    """``python -m headwaiter *arguments`` on a pseudo-terminal."""

    def __init__(self, *arguments: str, env: dict[str, str]) -> None:
        self._primary, self._secondary = pty.openpty()
        self.resize(100, 30)
        self.modes_before = self.modes()
        self.output = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", IN_CONTROL, "-m", "headwaiter", *arguments],
            stdin=self._secondary,
            stdout=self._secondary,
            stderr=self._secondary,
            env={**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **env},
            start_new_session=True,
        )

    def __enter__(self) -> TerminalProgram:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._primary)
        os.close(self._secondary)

    @property
    def screen(self) -> str:
        """The last picture that was drawn whole, without codes."""
        frames = self.output.split("\x1b[H")
        whole = [frame for frame in frames if "\x1b[J" in frame]
        return CODES.sub("", whole[-1]) if whole else ""

    def modes(self) -> list[Any]:
        return termios.tcgetattr(self._secondary)

    def resize(self, columns: int, lines: int) -> None:
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._secondary, termios.TIOCSWINSZ, size)

    def press(self, keys: str) -> None:
        os.write(self._primary, keys.encode())

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait_for(self, text: str, *, screen: bool = True) -> None:
        """Wait until ``text`` is on the screen, or else has been written at all."""
        end = time.monotonic() + TIMEOUT
        while text not in (self.screen if screen else self.output):
            assert self._read(end - time.monotonic()), (
                f"{text!r} never came:\n{self.output[-3000:]}"
            )

    def wait(self) -> int:
        """The exit status."""
        end = time.monotonic() + TIMEOUT
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it stays:\n{self.output[-3000:]}"
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.returncode

    def _read(self, timeout: float) -> bool:
        if not select.select([self._primary], [], [], max(0.0, timeout))[0]:
            return False
        self.output += os.read(self._primary, 65536).decode(errors="replace")
        return True

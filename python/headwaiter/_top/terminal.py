"""The terminal of ``headwaiter top``: the alternate screen, and keys without Return.

``Terminal`` is a context manager. It restores the terminal at the end of the block, whatever ends
it (a key, Ctrl-C, a signal, an exception), and while Ctrl-Z suspends the program.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

if sys.platform == "win32":
    import msvcrt
else:
    import termios
    import tty

ENTER = "\x1b[?1049h\x1b[?25l"  # the alternate screen, no cursor
LEAVE = "\x1b[?25h\x1b[?1049l"
HOME, TO_LINE_END, TO_SCREEN_END = "\x1b[H", "\x1b[K", "\x1b[J"
WINDOWS_TICK = 0.05


class Terminal:
    """Standard output, which must be a terminal, and standard input, which may be one."""

    def __init__(self) -> None:
        self._woken = threading.Event()
        # Sockets: writing to a closed one fails; the number of a closed pipe may be another file.
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_write.setblocking(False)
        self._keys = sys.stdin is not None and sys.stdin.isatty()
        self._before: Any = None
        self._handlers: dict[int, Any] = {}
        self._wakeup_before = -1

    def __enter__(self) -> Terminal:
        for name in ("SIGTERM", "SIGHUP", "SIGWINCH", "SIGTSTP"):
            number = getattr(signal, name, None)
            if number is not None:
                self._handlers[number] = signal.signal(number, self._on_signal)
        # A signal may reach another thread, or come just before `select`. The interpreter writes a
        # byte then, which wakes this thread, and the handler runs.
        self._wakeup_before = signal.set_wakeup_fd(
            self._wake_write.fileno(), warn_on_full_buffer=False
        )
        self._enter()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._leave()
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._wake_read.close()
        self._wake_write.close()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        size = shutil.get_terminal_size()
        return max(20, size.columns), max(5, size.lines)

    def draw(self, lines: list[str]) -> None:
        """Show ``lines`` from the top. They must fit the terminal."""
        text = f"{TO_LINE_END}\r\n".join(lines)
        self._write(f"{HOME}{text}{TO_LINE_END}{TO_SCREEN_END}")

    def wake(self) -> None:
        """Let :meth:`wait` return; from any thread."""
        self._woken.set()
        with contextlib.suppress(OSError):  # full: it is awake; closed: it is over
            self._wake_write.send(b"\0")

    def wait(self) -> str:
        """The key that was pressed, or ``""`` if the screen should be drawn anew."""
        if sys.platform == "win32":
            while not self._woken.is_set():
                if msvcrt.kbhit():
                    return msvcrt.getwch()
                time.sleep(WINDOWS_TICK)
            self._woken.clear()
            return ""
        sources = [self._wake_read, *([sys.stdin] if self._keys else [])]
        ready, _, _ = select.select(sources, [], [])
        if self._wake_read in ready:
            self._woken.clear()
            self._wake_read.recv(4096)
            return ""
        key = os.read(sys.stdin.fileno(), 64)
        # The terminal was closed. SIGHUP ends this program, unless it is ignored (nohup).
        return key.decode(errors="replace") if key else "q"

    def _enter(self) -> None:
        if sys.platform == "win32":
            os.system("")  # enables escape codes in the console
        elif self._keys:
            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        self._write(ENTER)

    def _leave(self) -> None:
        with contextlib.suppress(OSError):  # the terminal is gone
            self._write(LEAVE)
        if sys.platform != "win32" and self._before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if sys.platform != "win32" and number == signal.SIGTSTP:
            self._leave()
            os.kill(os.getpid(), signal.SIGSTOP)
            self._enter()
        elif number != getattr(signal, "SIGWINCH", None):
            raise SystemExit(128 + number)

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


@contextlib.contextmanager
def opened() -> Iterator[Terminal]:
    """A terminal to draw on until the block is left; Ctrl-C leaves it quietly."""
    with contextlib.suppress(KeyboardInterrupt), Terminal() as terminal:
        yield terminal

"""The CPU clocks of the application's own threads, for the advice.

The thread ``headwaiter-watch`` reads them once a second while requests run, some 10 µs per thread.
"""

from __future__ import annotations

import os
import sys
import threading

from headwaiter._process.looks import printable

Clock = tuple[int, str, float]
"""What the system calls a thread, its name, and the CPU seconds that it has used."""


def read() -> list[Clock]:
    """The clocks of the threads of Python's that are not headwaiter's. Only on Linux."""
    if sys.platform != "linux":
        return []
    threads = [thread for thread in threading.enumerate() if not thread.name.startswith(OURS)]
    found = []
    for thread in threads[:MOST]:
        cpu = _cpu(thread.native_id)
        if cpu is not None:
            found.append((thread.native_id or 0, printable(thread.name[:LONGEST]), cpu))
    return found


def _cpu(native_id: int | None) -> float | None:
    """``None`` if the thread has ended; the system may know no number of a thread that begins."""
    try:
        file = os.open(f"/proc/self/task/{native_id}/schedstat", os.O_RDONLY)
    except OSError:
        return None
    try:
        return int(os.read(file, 64).split()[0]) / 1e9
    except (OSError, ValueError, IndexError):  # the kernel keeps no such figures
        return None
    finally:
        os.close(file)


OURS = "headwaiter-"
MOST = 64
"""Threads whose clocks are read: a bound for what that costs."""
LONGEST = 60
"""Characters of a name."""

"""Defaults that depend on the machine."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import tempfile

from headwaiter._process import cores, logs
from headwaiter._settings import paths

MOST_CONNECTIONS = 65536
MOST_FILES = 8192
UNLIMITED = 1 << 62
SPOOL_MEMORY = 16 << 20
LEAST_OUTBUF_TOTAL = 64 << 20


def connection_limit() -> int:
    """Three quarters of the descriptor limit: the rest is for spools and for the application.

    Descriptors that the process opens later are not counted. If descriptors run out, the I/O
    threads close idle connections and stop accepting for a while.
    """
    return max(min(_descriptors() * 3 // 4, MOST_CONNECTIONS), 1)


def spool_files() -> int:
    """Half of the descriptors that connections leave; the application has the other half."""
    return max(min(_descriptors() // 8, MOST_FILES), 1)


def _descriptors() -> int:
    if sys.platform == "win32":  # no such limit for sockets
        return UNLIMITED
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return UNLIMITED if soft == resource.RLIM_INFINITY else soft


def inbuf_total() -> int:
    """An eighth of the memory that this process may use."""
    return _memory() // 8


def outbuf_total(share: int) -> int:
    """Another eighth, so that clients do not take the application's memory; of ``share`` processes
    each has its part."""
    return max(_memory() // 8 // share, LEAST_OUTBUF_TOTAL)


def processes(value: int | str) -> int:
    """How many processes share the memory and the disk."""
    return value if isinstance(value, int) else cores.usable().processes


def _memory() -> int:
    """Bytes of memory: all of the machine, or less if a control group or a limit allows less."""
    limits = [UNLIMITED]
    with contextlib.suppress(ImportError, ValueError, OSError):
        limits += _limits_of_memory()
    own = [line[3:] for line in _read("/proc/self/cgroup").splitlines() if line.startswith("0::")]
    groups = [f"/sys/fs/cgroup{path}/memory.max" for path in ("", *own)]
    texts = map(_read, [*groups, "/sys/fs/cgroup/memory/memory.limit_in_bytes"])
    limits += [int(text) for text in texts if text.isdigit()]
    return min(limits)


def _limits_of_memory() -> list[int]:
    """The memory of the machine, and what `ulimit` allows."""
    if sys.platform == "win32":
        import ctypes

        # MEMORYSTATUSEX: two numbers of 32 bits and seven of 64. The first is its length, and the
        # first long one is the memory.
        status = (ctypes.c_uint64 * 8)(ctypes.sizeof(ctypes.c_uint64 * 8))
        known = ctypes.windll.kernel32.GlobalMemoryStatusEx(status)
        return [status[1]] if known else []
    import resource

    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return [*limits, soft] if soft != resource.RLIM_INFINITY else limits


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def spool_dir() -> str:
    """The system's directory for temporary files.

    Python finds no directory if no file can be made, as on a read-only root or a full disk. The
    server runs without: it tries again whenever it needs a file.
    """
    try:
        return paths.absolute(tempfile.gettempdir())
    except OSError:
        named = next(filter(None, map(os.environ.get, ("TMPDIR", "TEMP", "TMP"))), "/tmp")
        logs.say(
            logging.WARNING,
            f"no temporary file can be made in {named}; what needs one will fail (name a directory"
            " with spool_dir)",
        )
        return paths.absolute(named)


def spool_limit(directory: str) -> int:
    """Half of the free bytes on the disk."""
    try:
        return shutil.disk_usage(directory).free // 2
    except OSError:
        return 0

"""Defaults that depend on the machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile

from headwaiter import _logging

MOST_CONNECTIONS = 65536
SPOOL_MEMORY = 16 << 20
LEAST_OUTBUF_TOTAL = 64 << 20
# What the control group of the process may have, in versions 2 and 1.
MEMORY_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def connection_limit() -> int:
    """Three quarters of the descriptor limit: the rest is for spools and the application's own use.

    Descriptors that the process opens later are not counted; when they run out all the same, the
    I/O threads close idle connections and pause accepting.
    """
    if sys.platform == "win32":  # no such limit for sockets
        return MOST_CONNECTIONS
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(max(soft * 3 // 4, 1), MOST_CONNECTIONS)


def spool_dir() -> str:
    """The system's directory for temporary files.

    Python finds none where no file can be made, as on a read-only root or a full disk. The server
    works without: it tries there again whenever it needs a file.
    """
    try:
        return tempfile.gettempdir()
    except OSError:
        named = next(filter(None, map(os.environ.get, ("TMPDIR", "TEMP", "TMP"))), "/tmp")
        _logging.logger().warning(
            "no temporary file can be made in %s; what needs one will fail (name a directory with "
            "spool_dir)",
            named,
        )
        return named


def spool_limit(directory: str) -> int:
    try:
        return shutil.disk_usage(directory).free // 2
    except OSError:
        return 0


def outbuf_total() -> int:
    """An eighth: slow clients must not take from the application what it was given to work with."""
    return max(memory() // 8, LEAST_OUTBUF_TOTAL)


def memory() -> int:
    """Bytes that the process may have: the machine's, or fewer by some limit; 0 if unknown."""
    limits = []
    with contextlib.suppress(AttributeError, OSError, ValueError):  # Windows has none of them
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if sys.platform != "win32":
        import resource

        limits.append(resource.getrlimit(resource.RLIMIT_AS)[0])
    for path in MEMORY_LIMITS:
        try:
            with open(path, encoding="ascii") as file:
                limits.append(int(file.read()))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return min((limit for limit in limits if limit > 0), default=0)

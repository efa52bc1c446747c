"""Defaults that depend on the machine."""

from __future__ import annotations

import shutil
import sys
import tempfile

MOST_CONNECTIONS = 65536
SPOOL_MEMORY = 16 << 20


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
    return tempfile.gettempdir()


def spool_limit(directory: str) -> int:
    return shutil.disk_usage(directory).free // 2

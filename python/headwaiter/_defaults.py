"""Defaults that depend on the machine."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile

from headwaiter import _logging, _paths

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
    """The system's directory for temporary files.

    Python finds none where no file can be made, as on a read-only root or a full disk. The server
    works without: it tries there again whenever it needs a file.
    """
    try:
        return _paths.absolute(tempfile.gettempdir())
    except OSError:
        named = next(filter(None, map(os.environ.get, ("TMPDIR", "TEMP", "TMP"))), "/tmp")
        _logging.logger().warning(
            "no temporary file can be made in %s; what needs one will fail (name a directory with "
            "spool_dir)",
            named,
        )
        return _paths.absolute(named)


def spool_limit(directory: str) -> int:
    try:
        return shutil.disk_usage(directory).free // 2
    except OSError:
        return 0

"""Defaults that depend on the machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from headwaiter._process import logs
from headwaiter._settings import paths

MOST_CONNECTIONS = 65536
MOST_FILES = 8192
UNLIMITED = 1 << 62
SPOOL_MEMORY = 16 << 20
LEAST_OUTBUF_TOTAL = 64 << 20


def connection_limit() -> int:
    """Three quarters of the descriptor limit: the rest is for spools and the application's own use.

    Descriptors that the process opens later are not counted; when they run out all the same, the
    I/O threads close idle connections and pause accepting.
    """
    return max(min(_descriptors() * 3 // 4, MOST_CONNECTIONS), 1)


def spool_files() -> int:
    """Half of what connections leave: the other half is the application's."""
    return max(min(_descriptors() // 8, MOST_FILES), 1)


def _descriptors() -> int:
    if sys.platform == "win32":  # no such limit for sockets
        return UNLIMITED
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return UNLIMITED if soft == resource.RLIM_INFINITY else soft


def inbuf_total() -> int:
    """An eighth of the memory that the process may use."""
    return _memory() // 8


def outbuf_total() -> int:
    """Another eighth: clients must not take from the application what it was given to work with."""
    return max(_memory() // 8, LEAST_OUTBUF_TOTAL)


def _memory() -> int:
    """Bytes of memory: the machine's, or less where a control group or a limit allows less."""
    limits = [UNLIMITED]
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        limits += [soft] if soft != resource.RLIM_INFINITY else []
    own = [line[3:] for line in _read("/proc/self/cgroup").splitlines() if line.startswith("0::")]
    groups = [f"/sys/fs/cgroup{path}/memory.max" for path in ("", *own)]
    texts = map(_read, [*groups, "/sys/fs/cgroup/memory/memory.limit_in_bytes"])
    limits += [int(text) for text in texts if text.isdigit()]
    return min(limits)


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def spool_dir() -> str:
    """The system's directory for temporary files.

    Python finds none where no file can be made, as on a read-only root or a full disk. The server
    works without: it tries there again whenever it needs a file.
    """
    try:
        return paths.absolute(tempfile.gettempdir())
    except OSError:
        named = next(filter(None, map(os.environ.get, ("TMPDIR", "TEMP", "TMP"))), "/tmp")
        logs.logger().warning(
            "no temporary file can be made in %s; what needs one will fail (name a directory with "
            "spool_dir)",
            named,
        )
        return paths.absolute(named)


def spool_limit(directory: str) -> int:
    try:
        return shutil.disk_usage(directory).free // 2
    except OSError:
        return 0

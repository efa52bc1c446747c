"""Servers that root starts and another user runs.

The user must be able to read Python and the checkout. Where these lie in a directory that only root
may enter, such as ``/root``, the server gets a mount namespace in which everybody may enter it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from .process import ROOT, ServerProcess, environment

NAME = "nobody"
BIND = """
set -e
for closed; do
    [ "$closed" = -- ] && break
    exec 9<"$closed"
    mount -t tmpfs -o mode=755 none "$closed"
    for inside in /proc/$$/fd/9/* /proc/$$/fd/9/.[!.]*; do
        [ -d "$inside" ] || continue
        mkdir -p "$closed/${inside##*/}"
        mount --no-canonicalize --rbind "$inside" "$closed/${inside##*/}"
    done
    exec 9<&-
done
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""
"""Each closed directory gets an open one on top of it, with the directories that are in there."""


@cache
def closed() -> tuple[str, ...]:
    """Directories on the way to Python and to the checkout that the user may not enter."""
    needed = [os.path.realpath(sys.executable), sys.prefix, os.path.realpath(sys.base_prefix)]
    found = []
    for path in map(Path, [*needed, str(ROOT)]):
        above = [each for each in path.parents if not each.stat().st_mode & 0o001]
        found += [str(each) for each in reversed(above)]
    return tuple(dict.fromkeys(found))


@cache
def _why_not() -> str:
    """Why no other user can run a server here; empty if one can."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return "only root starts a server for another user"
    if not closed():
        return ""
    if not shutil.which("unshare"):
        return f"{NAME} may not enter {closed()[0]}, and there is no unshare"
    tried = subprocess.run(
        command(sys.executable, "-c", f"import os, pwd; os.setuid(pwd.getpwnam('{NAME}').pw_uid)"),
        capture_output=True,
        text=True,
    )
    return f"no mount namespace here: {tried.stderr}" if tried.returncode else ""


def command(*argv: str) -> list[str]:
    """``argv`` where the user can read what it needs."""
    if not closed():
        return [*argv]
    return ["unshare", "--mount", "sh", "-c", BIND, "sh", *closed(), "--", *argv]


def need_another_user() -> None:
    """Skip the test where no other user can run a server."""
    reason = _why_not()
    if reason:
        pytest.skip(reason)


@contextmanager
def folder() -> Iterator[Path]:
    """A directory of root's that everybody may read; pytest's own are closed."""
    made = Path(tempfile.mkdtemp())
    try:
        made.chmod(0o755)
        yield made
    finally:
        shutil.rmtree(made)


def server_of(directory: Path, *arguments: str, **env: str) -> ServerProcess:
    """A server that root starts in ``directory``; it may fail to start."""
    where = any(argument.startswith(("--listen", "--unix-socket")) for argument in arguments)
    listen = [] if where else ["--listen=127.0.0.1:0"]
    argv = command(sys.executable, "-c", RUN, *listen, *arguments)
    return ServerProcess(argv, environment(**env), directory, ())


RUN = "import sys; sys.path.remove(''); from headwaiter.__main__ import main; sys.exit(main())"
"""What the script ``headwaiter`` does: the current directory is no place for modules."""

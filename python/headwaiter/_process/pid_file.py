"""The file with the process id, for service managers and scripts.

``cli.py``, ``server.py`` and the parent hold it while they serve. Rules: only one of several starts
at the same moment gets the file; only the process that made the file removes it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from headwaiter._process import logs


class PidFileError(RuntimeError):
    """The file cannot be made; the message says why."""


@contextmanager
def held(path: str | None, *, made: bool = False) -> Iterator[None]:
    """Keep the own process id in the file ``path`` during the block. ``made``: this process has
    made the file already, before it executed its program anew.

    Raises:
        PidFileError: The file cannot be written, or it names another living process.
    """
    if path is None:
        yield
        return
    own = os.getpid()
    if not made:
        _make(path, own)
    try:
        yield
    finally:
        if os.getpid() == own and _read(path) == own:
            _remove(path)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:  # root has made it, and this process is another user's by now
        text = f"pid_file: {path} stays ({error.strerror}); the next start replaces it"
        logs.say(logging.INFO, text)


def _make(path: str, own: int) -> None:
    try:
        _link(path, own)
    except FileExistsError:
        other = _read(path)
        if other != own and _is_alive(other):
            raise PidFileError(f"pid_file: {path}: process {other} is running") from None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        _link(path, own)


def _link(path: str, own: int) -> None:
    """Make the file with its content in one step. A link never replaces a file, and root follows
    no link that somebody else has put there."""
    made = f"{path}.{own}"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(made)  # of a process that was killed in the middle of this
        with open(made, "x", encoding="ascii") as file:
            file.write(f"{own}\n")
        os.link(made, path)
    except FileExistsError:
        raise
    except OSError as error:
        raise PidFileError(f"pid_file: {path}: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(made)


def _read(path: str) -> int:
    """The process id in the file; 0 if there is none."""
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read(32))
    except (OSError, ValueError):
        return 0


def _is_alive(pid: int) -> bool:
    if pid <= 0 or sys.platform == "win32":  # there os.kill would end the process
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's process
        pass
    return True

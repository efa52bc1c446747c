"""What becomes of a child that the application forks.

A child has its parent's connections but none of its threads, so it cannot serve. The application
should end it by ``os._exit``. A child that returns from the application instead, or raises, ends
here, and so does one that comes back from the loading of the application. The client gets only the
parent's reply. A child that stays must not keep the port open.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from headwaiter._process import logs


def leave(error: BaseException | None) -> NoReturn:
    """End this process, with the status of ``SystemExit`` if ``error`` is one, else with 1."""
    status = 1
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    else:
        text = (
            "a child that the application forked came back to the server; it has to leave by"
            " os._exit or sys.exit"
        )
        with contextlib.suppress(Exception):  # of a handler; this process ends
            logs.fail(logs.logger_name(), text, error)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # none, broken, or closed
            continue
    os._exit(status & 0xFF)


@contextmanager
def without_forked() -> Iterator[None]:
    """Only the process that enters the block comes out of it: a child that is forked in it ends.
    It shares the control socket, and would speak for the process that loads the application."""
    own, error = os.getpid(), None
    try:
        yield
    except BaseException as raised:
        error = raised
        if os.getpid() == own:
            raise
    if os.getpid() != own:
        leave(error)


def do_not_inherit(listeners: Sequence[socket.socket]) -> None:
    """Take ``listeners``, and every duplicate of them, from children that are forked.

    The null device gets their numbers: objects that own a descriptor may close it later.
    """
    known = {_identity(sock.fileno()) for sock in listeners}

    def forked() -> None:
        with contextlib.suppress(OSError):
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in map(int, os.listdir("/dev/fd")):
                with contextlib.suppress(OSError):  # such as that of the listing
                    if _identity(descriptor) in known:
                        os.dup2(null, descriptor, inheritable=False)
            os.close(null)

    if sys.platform != "win32":
        os.register_at_fork(after_in_child=forked)


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino

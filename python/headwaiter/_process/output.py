"""Standard output of commands, errors for people, and what happens when output fails.

Used by the command line and by the processes that a parent starts; ``__main__.py`` reports
:class:`Lost`. Rules: a reader that closes the pipe has seen enough, which changes no exit status;
output that is lost (a full disk) is a failure.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 1.0
if sys.platform == "win32":
    PIPE_BUF = 512
else:
    PIPE_BUF = select.PIPE_BUF


class Lost(Exception):
    """Standard output did not take everything; the message says why."""


@contextmanager
def written() -> Iterator[None]:
    """Write to standard output in the block, and flush it at the end.

    Raises:
        Lost: The output could not be written.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        discard()
        if not isinstance(error, BrokenPipeError):
            raise Lost(f"the output cannot be written: {error.strerror}") from None


def discard() -> None:
    """Replace standard output by the null device after a write failed.

    Otherwise the interpreter flushes again at its end, and reports the error.
    """
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def say(text: str) -> None:
    """Write a line to standard error. What nobody reads for ``PATIENCE`` seconds is lost."""
    data = f"{text}\n".encode(errors="backslashreplace")
    with contextlib.suppress(OSError, ValueError):
        # A pipe that takes bytes takes at least so many without blocking.
        while data and select.select([], [2], [], PATIENCE)[1]:
            data = data[os.write(2, data[:PIPE_BUF]) :]

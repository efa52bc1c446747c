"""What commands write to standard output, when nobody takes it.

Used by ``cli.py`` and ``top.py``; ``__main__.py`` reports :class:`Lost`. Rules: a reader that has
left has seen enough, which changes no exit status; output that is lost (a full disk) is a failure.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Lost(Exception):
    """Standard output took not all of it; the message says why."""


@contextmanager
def written() -> Iterator[None]:
    """Write to standard output in the block; it is flushed at the end.

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
    """Make standard output the null device after a write failed: else the interpreter tries again
    as it ends, and complains."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)

"""``python -m headwaiter`` and the ``headwaiter`` console script."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from headwaiter import _exit, cli

INTERRUPTED = 130  # as shells have it: 128 and SIGINT


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (``sys.argv`` without the program, if ``None``) and return its exit
    status.

    When requests were cut, the process ends here: their workers may never return.
    """
    _open_standard_streams()
    try:
        status = cli.run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return cli.DONE
    except KeyboardInterrupt:  # while the application was loaded, say
        return INTERRUPTED
    if status == cli.CUT:
        _exit.leave(status)
    return status


def _open_standard_streams() -> None:
    """Opens what the caller has closed: else sockets would get these numbers, and be printed to."""
    with contextlib.suppress(OSError):  # there may be no /dev
        while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(opened, True)
        os.close(opened)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8"))  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(main())

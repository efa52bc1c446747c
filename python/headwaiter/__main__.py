"""``python -m headwaiter`` and the ``headwaiter`` console script."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence

from headwaiter import cli
from headwaiter._process import exits, output, shutdown

INTERRUPTED = 130  # 128 + SIGINT, as in shells


def main(argv: Sequence[str] | None = None, run: Callable[[Sequence[str]], int] = cli.run) -> int:
    """Run the command line (``sys.argv`` without the program, if ``None``) and return its exit
    status.

    If requests were cut, the process ends here, since their workers may never return.
    """
    _open_standard_streams()
    status = exits.NOT_STARTED
    try:
        status = run(sys.argv[1:] if argv is None else argv)
        with output.written():
            pass  # flush what the application has printed
    except output.Lost as error:
        print(f"headwaiter: {error}", file=sys.stderr)
        status = status or exits.NOT_STARTED
    except KeyboardInterrupt:  # such as while the application was loaded
        print("headwaiter: interrupted", file=sys.stderr)
        return INTERRUPTED
    if status == exits.CUT:
        shutdown.leave(status)
    return status


def _open_standard_streams() -> None:
    """Open the standard streams that the caller has closed.

    Otherwise sockets would get their numbers, and `print` would write to a client.
    """
    with contextlib.suppress(OSError):  # there may be no /dev
        while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(opened, True)
        os.close(opened)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8"))  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(main())

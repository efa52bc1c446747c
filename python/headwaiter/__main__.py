"""``python -m headwaiter`` and the ``headwaiter`` console script."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from headwaiter import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (``sys.argv`` without the program, if ``None``) and return its exit
    status.

    When requests were cut, the process ends here: their workers may never return.
    """
    status = cli.run(sys.argv[1:] if argv is None else argv)
    if status == cli.CUT:
        cli.leave(status)
    return status


if __name__ == "__main__":
    sys.exit(main())

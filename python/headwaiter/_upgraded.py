"""The new version of headwaiter in an upgrade: ``python -m headwaiter._upgraded``.

    [--check] --state=7 -- ARGUMENTS

The number is that of the descriptor with the state of the running server (``_parent/state.py``),
``ARGUMENTS`` is the command line of the server. With ``--check`` the process only tries whether it
could go on with that state, and says its version on the last line of its output. Without it the
process is the server's parent, which has executed this program. Versions call each other by these
arguments, so they stay.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from headwaiter import __main__, _headwaiter
from headwaiter import _startup as startup
from headwaiter._parent import resume, state
from headwaiter._process.exits import DONE, NOT_STARTED, USAGE, StartError
from headwaiter._process.interpreter import python_build
from headwaiter._settings.flags import UsageError, parse


def run(arguments: Sequence[str]) -> int:
    """Go on with a running server, or try it; return the exit status."""
    parser = argparse.ArgumentParser(prog="headwaiter._upgraded", allow_abbrev=False)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--state", type=int, required=True)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    passed, own = parser.parse_args(arguments[:end]), [*arguments[end + 1 :]]
    try:
        told = state.read(passed.state)
        if not passed.check:
            for descriptor in told["descriptors"]:
                os.set_inheritable(descriptor, False)
        options = parse(own)
        adjustments = startup.adjustments(options)
        startup.read_log_config(adjustments)
        startup.configure_logging(adjustments)
        if not passed.check:
            return resume.run(told, own, adjustments, lambda: startup.read_anew(own))
        resume.check(told, adjustments)
    except UsageError as error:
        return _fail(str(error), USAGE)
    except (StartError, state.StateError) as error:
        return _fail(str(error), NOT_STARTED)
    print(f"headwaiter {_headwaiter.__version__}, {python_build()}")
    return DONE


def _fail(message: str, status: int) -> int:
    print(f"headwaiter: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(__main__.main(run=run))

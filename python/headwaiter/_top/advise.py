"""``headwaiter advise``: prints what would help a running server, and on what evidence.

``cli.py`` calls :func:`run`. The server's admin endpoint makes the verdict; this prints it, with
what the server expects of other numbers of threads.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from headwaiter._process import output
from headwaiter._top import view
from headwaiter._top.command import DONE, FAILED, HINT, USAGE, asked
from headwaiter._top.status import DEFAULT_PORT, Status, Unreachable, fetch

EPILOG = f"""\
ADDRESS is what the server's adjustment `admin` is: HOST:PORT, a port, a URL, or the path of a Unix
socket. Without it HEADWAITER_ADMIN is asked, or else 127.0.0.1:{DEFAULT_PORT}.

Exit status: 0 done; 1 the server cannot be reached; 2 wrong usage.
"""
WIDTH = 100
LIMITS = {"load": "every request has a thread", "gil": "GIL", "cpu": "CPU"}


def run(arguments: Sequence[str]) -> int:
    """Do what ``arguments`` ask for and return the exit status; ``advise`` is not among them."""
    options = _parser().parse_args(list(arguments))
    address = asked(options.url or options.address)
    try:
        text = _text(fetch(address))
    except ValueError as error:
        return _fail(str(error), USAGE)
    except Unreachable as error:
        return _fail(f"no status from {address}: {error}\n{HINT}", FAILED)
    with output.written():
        print(text)
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headwaiter advise",
        description="Print what would help a running server, and on what evidence.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("address", nargs="?", metavar="ADDRESS")
    where.add_argument("--url", metavar="ADDRESS", help="the same")
    return parser


def _text(status: Status) -> str:
    """
    Raises:
        Unreachable: The status lacks something, or it has another type.
    """
    try:
        lines = [*_verdict(status["advice"]), *_expected(status)]
    except (AttributeError, LookupError, TypeError, ValueError):
        raise Unreachable("its answer is of another version") from None
    return "\n".join(lines)


def _verdict(advice: dict[str, Any]) -> list[str]:
    kind = view.safe(advice["kind"])
    sure = "" if advice["sure"] else ", not sure"
    lines = [f"{view.TITLES.get(kind, kind.upper())} ({kind}{sure})"]
    lines += view.wrapped(view.safe(advice["text"]), WIDTH)
    for number, seen in enumerate(advice["evidence"]):
        first, *more = view.wrapped(view.safe(seen), WIDTH - 7)
        lines += [f"{'' if number else 'Seen:':<6} - {first}", *(f"{'':<9}{part}" for part in more)]
    return [*lines, f"What to do: {view.safe(advice['page'])}"]


def _expected(status: Status) -> list[str]:
    """What the server expects of other numbers of threads."""
    processes = len(status.get("processes") or [0])
    now = max(1, status["now"]["workers"] // processes)
    lines = ["", "  THREADS  REQUESTS/S      WAIT  LIMIT"]
    for row in status["expected"]:
        here = "*" if row["threads"] == now else " "
        limit = view.safe(row["place"] or LIMITS.get(row["limit"], row["limit"]))
        wait = view.seconds(row["wait"])
        lines.append(f"{here} {row['threads']:>7} {row['rate']:>11.1f}  {wait:>8}  {limit[:60]}")
    if not status["expected"]:
        return []
    each = " in each process" if processes > 1 else ""
    return [*lines, f"* now. Threads{each}; expected if the clients go on as they do."]


def _fail(message: str, status: int) -> int:
    print(f"headwaiter advise: {message}", file=sys.stderr)
    return status

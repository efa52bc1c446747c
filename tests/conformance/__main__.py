"""``python -m tests.conformance --server waitress``: the suite's command line.

Exit code 0 if every row passed or does not apply, 1 if one failed, 2 if the server did not start.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time

from tests.conformance.catalogue import ROWS
from tests.conformance.launchers import LAUNCHERS
from tests.conformance.model import Result, Row, Verdict
from tests.conformance.process import NotStarted
from tests.conformance.report import print_table, write_docs
from tests.conformance.runner import run_all

QUICK_PATIENCE = 0.8


def main() -> int:
    # A runner that is told to stop must still stop the server it started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    options = parse()
    rows = select(options.rows)
    if options.list:
        for row in rows:
            print(f"{row.id:45} {row.says} [{row.source}]")
        return 0
    names = list(LAUNCHERS) if options.all else options.server or ["headwaiter"]
    by_server: dict[str, list[Result]] = {}
    missing = 0
    for name in names:
        begun = time.monotonic()
        print(f"== {name}", flush=True)
        try:
            results = run_all(
                LAUNCHERS[name],
                rows,
                quick=options.quick,
                patience=min(options.patience, QUICK_PATIENCE)
                if options.quick
                else options.patience,
                progress=show_all if options.verbose else show_bad,
            )
        except NotStarted as error:
            print(f"   did not start: {error}", flush=True)
            missing += 1
            continue
        by_server[name] = results
        print(f"   {len(results)} rows in {time.monotonic() - begun:.1f} s", flush=True)
    print_table(by_server)
    if options.write_docs:
        write_docs(by_server)
    if missing:
        return 2
    return int(any(result.bad for results in by_server.values() for result in results))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--server", action="append", choices=list(LAUNCHERS), help="repeatable")
    parser.add_argument("--all", action="store_true", help="every server of launchers.py")
    parser.add_argument("--quick", action="store_true", help="a part of the rows, with few cuts")
    parser.add_argument("--rows", default="", help="only rows whose id contains this")
    parser.add_argument("--list", action="store_true", help="list the rows and stop")
    parser.add_argument("--verbose", action="store_true", help="show rows that pass, too")
    parser.add_argument("--patience", type=float, default=1.5, help="seconds")
    parser.add_argument("--write-docs", action="store_true", help="write docs/conformance.md")
    options = parser.parse_args()
    if options.write_docs and (options.quick or options.rows):
        parser.error("--write-docs needs a whole run")
    return options


def select(contained: str) -> list[Row]:
    return [row for row in ROWS if contained in row.id]


def show_bad(result: Result) -> None:
    if result.bad:
        show_all(result)


def show_all(result: Result) -> None:
    word = "" if result.verdict is Verdict.FAILED else f"{result.verdict.value}: "
    said = f"{word}{result.detail or result.verdict.value}"
    print(f"   {result.row.id}: {said} ({result.seconds:.2f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())

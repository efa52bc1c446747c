"""Starts a server under a row, lets it fail once, stops it, and counts what was said.

``python -m tests.logs.silence`` prints the table.
"""

from __future__ import annotations

import importlib.util
import re
import signal
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.logs.rows import APP, ROWS, Row
from tests.support.process import ServerProcess, environment

WAYS = {
    "one process": ("-m", "headwaiter", "--listen=127.0.0.1:0"),
    "two processes": ("-m", "headwaiter", "--listen=127.0.0.1:0", "--processes=2"),
    "serve()": (
        "-c",
        "import headwaiter, site_app; headwaiter.serve(site_app.app, listen='127.0.0.1:0')",
    ),
}


class Said(NamedTuple):
    """How often each was seen, on all streams of all processes."""

    banner: int
    traceback: int
    exception: int
    """The last line of the traceback."""
    closing: int

    def each_once(self) -> bool:
        return set(self) == {1}


def missing(row: Row) -> str:
    """The package that is not installed, or the empty string."""
    return next((name for name in row.needs if importlib.util.find_spec(name) is None), "")


def applies(row: Row, way: str) -> bool:
    return not (row.options and way == "serve()")


def run(row: Row, way: str, folder: Path) -> tuple[Said, str]:
    """What was said, counted and as it was."""
    (folder / "site_app.py").write_text(row.setup + (row.app or APP))
    for name, text in row.files.items():
        (folder / name).write_text(text)
    argv = [sys.executable, *WAYS[way], *row.options]
    if way != "serve()":
        argv.append("site_app:app")
    # Whatever goes to standard output counts as well.
    argv = ["sh", "-c", 'exec "$@" 1>&2', "sh", *argv]
    with ServerProcess(argv, environment(), folder, ()) as server:
        server.wait_for_addresses(1)
        assert server.ask("/").status == 200, server.log
        assert server.ask("/fail").status == 500, server.log
        server.signal(signal.SIGTERM)
        assert server.wait() == 0, server.log
        return count(server.log), server.log


def count(log: str) -> Said:
    return Said(
        banner=len(re.findall("Serving on http://", log)),
        traceback=log.count("Traceback (most recent call last)"),
        exception=log.count("LookupError: what went wrong"),
        closing=len(re.findall(r"stopped after [\d.]+ s: 2 requests, 1 error, 0 cut", log)),
    )


def main() -> int:
    """Print how often banner, exception and closing line were seen, row by row."""
    failed = 0
    print(f"{'logging':<44}" + "".join(f"{way:<17}" for way in WAYS))
    for row in ROWS:
        shown = []
        for way in WAYS:
            if not applies(row, way) or missing(row):
                shown.append("-")
                continue
            with tempfile.TemporaryDirectory() as folder:
                said, _ = run(row, way, Path(folder))
            failed += not said.each_once()
            shown.append(f"{said.banner} {said.exception} {said.closing}")
        print(f"{row.name:<44}" + "".join(f"{cell:<17}" for cell in shown).rstrip(), flush=True)
    print("banner, exception, closing line; each has to be seen once")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

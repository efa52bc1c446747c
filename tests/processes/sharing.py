"""Measures what ``preload`` saves: ``python -m tests.processes.sharing``. Linux only.

Four processes serve an application of about 200 MB, one after another with and without ``preload``.
The proportional set sizes (PSS) of all processes but the parent add up to what they use. The first
line is after the start; the second after each process has read every object, which writes reference
counts.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import procfs
from tests.support.process import start_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PROCESSES = 4
ITEMS = [{"id": n, "name": f"item {n}", "tags": [n, n + 1]} for n in range(250_000)]
BLOCKS = [os.urandom(1 << 20) for _ in range(80)]


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    body = b"%d" % sum(len(str(item["name"])) for item in ITEMS)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def measure(*, preload: bool) -> None:
    app = "tests.processes.sharing:application"
    began = time.monotonic()
    with start_server(app, processes=PROCESSES, preload=preload) as server:
        server.wait_for_log(rf"(?s)(process \d+ \(pid \d+\) is ready.*){{{PROCESSES}}}", 120)
        print(f"preload={preload}: ready after {time.monotonic() - began:.1f} s")
        show(server.pid, "after the start")
        for _ in range(10 * PROCESSES):
            server.ask("/")
        show(server.pid, "after reading")
        server.stop()


def show(parent: int, when: str) -> None:
    sizes = [pss(pid) >> 20 for pid in procfs.children(parent)]
    print(f"  {when:16} {sum(sizes):5} MiB in all, by process {sizes}")


def pss(pid: int) -> int:
    """Memory of the process, with its share of what it shares, in bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return sum(int(size) for size in re.findall(r"(?m)^Pss: +(\d+)", text)) * 1024


if __name__ == "__main__":
    measure(preload=False)
    measure(preload=True)

"""Whatever logging an application sets up: the banner, an exception with its traceback, and the
closing line are each seen exactly once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.logs import silence
from tests.logs.rows import APP, ROWS, Row
from tests.support.http import TIMEOUT
from tests.support.process import environment
from tests.support.target import headwaiter_only

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell and signals"),
    headwaiter_only("loggers that are disabled stay so"),
]


@pytest.mark.parametrize("way", silence.WAYS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_is_seen_once(row: Row, way: str, tmp_path: Path) -> None:
    if silence.missing(row):
        pytest.skip(f"{silence.missing(row)} is not installed")
    if not silence.applies(row, way):
        pytest.skip("an option of the command line")
    said, log = silence.run(row, way, tmp_path)
    assert said.each_once(), f"{said}\n{log}"


PROGRAM = """
import logging.config, threading, urllib.error, urllib.request
import headwaiter
{app}
with headwaiter.create_server(app, listen="127.0.0.1:0") as server:
    thread = threading.Thread(target=server.run)
    thread.start()
    logging.config.dictConfig({{"version": 1}})
    try:
        urllib.request.urlopen(server.urls[0] + "/fail")
    except urllib.error.HTTPError as error:
        error.close()
thread.join()
"""


def test_a_server_within_a_program_says_what_fails_and_nothing_else(tmp_path: Path) -> None:
    program = PROGRAM.format(app=APP)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert done.stdout == ""
    assert silence.count(done.stderr) == (0, 1, 1, 0), done.stderr
    first, *_, last = done.stderr.splitlines()
    assert first.endswith(" ERROR headwaiter: Exception while serving /fail")
    assert last == "LookupError: what went wrong"

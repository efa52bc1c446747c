"""Whatever logging an application sets up: the banner, an exception with its traceback, and the
closing line are each seen exactly once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.logs import silence
from tests.logs.rows import ROWS, Row
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

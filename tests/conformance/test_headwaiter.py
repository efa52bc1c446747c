"""Every row of the suite against headwaiter, as one test each: ``pytest -k framing``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.catalogue import ROWS
from tests.conformance.launchers import LAUNCHERS
from tests.conformance.model import Row, Verdict
from tests.conformance.process import Server
from tests.conformance.runner import CUTS, run_row


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # Patient: a row that passes never waits, and a loaded machine must not fail one.
    with Server(LAUNCHERS["headwaiter"], patience=10.0, cuts=CUTS) as running:
        yield running


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(server: Server, row: Row) -> None:
    result = run_row(server, row)
    if result.verdict is Verdict.SKIPPED:
        pytest.skip(result.detail)
    assert result.verdict is Verdict.PASSED, (
        f"{row.says} [{row.source}]: {result.detail}\n{server.output()[-1000:]}"
    )

"""A few seconds of soak on every change; ``make soak SECONDS=600`` is the real thing."""

from __future__ import annotations

import pytest

from tests.support import procfs
from tests.support.target import headwaiter_only

from .run import Soak

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not procfs.AVAILABLE, reason="needs /proc"),
    headwaiter_only("its deadlines and its framing are its own"),
]


def test_a_few_seconds_of_everything() -> None:
    report = Soak(seconds=6, seed=1, actors=16).run()
    assert report.failures == []
    assert report.counts["replies"] > 200
    assert report.counts["broken off by the client"] > 50

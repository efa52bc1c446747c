"""Pauses for garbage collections: measured if ``gc_pauses`` says so."""

from __future__ import annotations

import gc

import pytest

from headwaiter._process import pauses

from ..conftest import Serve
from ..support.waiting import eventually
from .test_admin import ADMIN, OPENMETRICS, admin, families, hello


def test_each_collection_is_noted_during_the_block() -> None:
    before = list(gc.callbacks)
    noted: list[float] = []
    with pauses.measured(noted.append):
        gc.collect()
        assert noted
        assert all(seconds >= 0 for seconds in noted)
    count = len(noted)
    gc.collect()
    assert (len(noted), gc.callbacks) == (count, before)


@pytest.mark.parametrize("gc_pauses", [True, False])
def test_the_server_shows_them_where_it_was_asked_to(serve: Serve, gc_pauses: bool) -> None:
    server = serve(hello, admin=ADMIN, gc_pauses=gc_pauses)
    server.ask("/")
    gc.collect()

    def counted() -> int:
        found: int = server.server.stats()["gc_pauses"]["count"]
        return found

    if gc_pauses:
        eventually(lambda: counted() > 0, "a collection is counted")
    metrics = families(admin(server, "/metrics", OPENMETRICS).body)
    shown = metrics["headwaiter_gc_pause_seconds"].samples
    count = next(sample.value for sample in shown if sample.name.endswith("_count"))
    assert (count > 0, counted() > 0) == (gc_pauses, gc_pauses)

"""Applications that fork and forget the child: it must not speak to its parent's clients."""

from __future__ import annotations

import os

import pytest

from tests.support.process import start_server
from tests.support.target import headwaiter_only

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    headwaiter_only("both processes answer, and the child stays"),
]


@pytest.mark.parametrize(
    ("way", "status"), [("exit", 5), ("raise", 1), ("return", 1), ("write", 1), ("iterate", 1)]
)
def test_a_child_that_comes_back_serves_nothing(way: str, status: int) -> None:
    with start_server("tests.faults.apps:forgetful", threads=2) as server:
        with server.connect() as client:
            reply = client.ask(f"/{way}")  # the parent waits for the child: it has ended
            assert reply.body == str(status).encode(), server.log
            client.expect_open()  # and nothing of the child's is on the connection
        assert server.ask().status == 200
    if status == 1:
        assert "came back to the server" in server.log
    assert "Fatal" not in server.log

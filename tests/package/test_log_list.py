"""The list on which records wait for Python: bounded in bytes, with room left for what matters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwaiter import _headwaiter
from tests.support.target import headwaiter_only

pytestmark = headwaiter_only("Waitress logs where it is")
INFO, WARNING = 20, 30
MIB = 1 << 20


@pytest.fixture(autouse=True)
def _an_empty_list() -> Iterator[None]:
    _headwaiter.log_take()
    yield
    _headwaiter.log_take()


def fill(level: int, text: str) -> int:
    """Put in far more than there is room for; how many records that was."""
    count = max(100, 10 * MIB // (len(text) + 100))
    for _ in range(count):
        _headwaiter.log_put(level, text)
    return count


@pytest.mark.parametrize("text", ["", "x" * 200, "x" * 100_000, "x" * (4 * MIB), "\u20ac" * MIB])
@pytest.mark.parametrize("level", [INFO, WARNING])
def test_what_waits_is_bounded_in_bytes(level: int, text: str) -> None:
    count = fill(level, text)
    *records, last = _headwaiter.log_take()
    assert records
    assert sum(len(message.encode()) + 100 for _, _, message, _ in records) < 2.1 * MIB
    assert last[2] == f"{count - len(records)} log records were dropped"
    assert _headwaiter.log_take() == []


def test_a_record_is_cut_at_a_character() -> None:
    _headwaiter.log_put(INFO, "x" + "\u20ac" * MIB)
    ((_, _, message, _),) = _headwaiter.log_take()
    assert message[:3] == "x\u20ac\u20ac"
    assert message[-4:] == "\u20ac..."
    assert len(message.encode()) <= (128 << 10) + 3


def test_news_leaves_room_for_warnings() -> None:
    fill(INFO, "GET / HTTP/1.1")
    _headwaiter.log_put(WARNING, "no room for temporary files")
    messages = [message for _, _, message, _ in _headwaiter.log_take()]
    assert messages[-2] == "no room for temporary files"

"""Bytes that application and client derive from a number, so that nothing need be remembered.

Every body is a window of one fixed random sequence; its start depends on the key. A byte lost,
doubled, out of place or from another reply shows in a comparison.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

LARGEST = 4 << 20  # what the actors ask for; a damaged target may ask for seven digits
_PERIOD = 1048573  # prime, so that no power-of-two buffer is in step with it
SEQUENCE = random.Random(20260421).randbytes(_PERIOD) * (9_999_999 // _PERIOD + 2)


def start(key: int) -> int:
    """Where the body of ``key`` begins in ``SEQUENCE``."""
    return key * 2654435761 % _PERIOD


def body(key: int, size: int) -> bytes:
    return SEQUENCE[start(key) : start(key) + size]


def blocks(key: int, size: int) -> Iterator[bytes]:
    """``body(key, size)`` in irregular blocks, empty ones among them."""
    source = random.Random(key)
    largest = source.choice((100, 5_000, 100_000))
    if size > 200 * largest:  # not thousands of blocks for one reply
        largest = size // 100
    at, end = start(key), start(key) + size
    while at < end:
        step = min(source.randrange(largest), end - at)
        yield SEQUENCE[at : at + step]
        at += step


def difference(got: bytes, want: bytes) -> str:
    """Where ``got`` begins to differ from ``want``; empty if it does not."""
    if got == want:
        return ""
    at = next((n for n, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    return (
        f"{len(got)} bytes instead of {len(want)}, different from {at} on: "
        f"{got[at : at + 20]!r} instead of {want[at : at + 20]!r}"
    )

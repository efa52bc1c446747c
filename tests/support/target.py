"""Which server the suite runs against.

``HEADWAITER_TEST_SERVER=waitress`` points the whole harness at Waitress. A test that says what
users of Waitress rely on must pass there too, which is how such a test is validated; one that shows
something Waitress does not do carries ``@headwaiter_only`` and is skipped.
"""

from __future__ import annotations

import os

import pytest

NAME = os.environ.get("HEADWAITER_TEST_SERVER", "headwaiter")
if NAME not in ("headwaiter", "waitress"):
    raise RuntimeError(f"HEADWAITER_TEST_SERVER={NAME!r}: expected headwaiter or waitress")

IS_WAITRESS = NAME == "waitress"

FLUSH_AT_ONCE: dict[str, int] = {"send_bytes": 1} if IS_WAITRESS else {}
"""Settings with which a chunk is sent as soon as the application has given it."""


def headwaiter_only(reason: str) -> pytest.MarkDecorator:
    """Skips a test on Waitress; ``reason`` says what Waitress does instead."""
    return pytest.mark.skipif(IS_WAITRESS, reason=f"not Waitress: {reason}")

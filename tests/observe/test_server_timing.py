"""``Server-Timing``: where the time went, for the network panel of a browser."""

from __future__ import annotations

import re
import time

from ..conftest import Serve
from ..support.wsgi import Environ, StartResponse


def slow(_environ: Environ, start_response: StartResponse) -> list[bytes]:
    time.sleep(0.05)
    start_response("200 OK", [("Server-Timing", "db;dur=12")])
    return [b"x"]


def durations(value: str) -> dict[str, float]:
    return {name: float(dur) for name, dur in re.findall(r"(\w+);dur=([\d.]+)", value)}


def test_the_reply_says_where_the_time_went(serve: Serve) -> None:
    reply = serve(slow, server_timing=True).ask("/")
    # What the application says stays.
    assert reply.all("Server-Timing")[0] == "db;dur=12"
    times = durations(reply.all("Server-Timing")[1])
    assert times.keys() == {"queue", "gil", "app"}
    assert 50 <= times["app"] < 20_000


def test_it_is_off_unless_asked_for(serve: Serve) -> None:
    assert serve(slow).ask("/").all("Server-Timing") == ["db;dur=12"]

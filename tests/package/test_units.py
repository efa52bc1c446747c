"""Times and sizes with units, in every source, and how values are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwaiter import Adjustments
from headwaiter._settings import units
from headwaiter._settings.casts import BYTES, SECONDS, WHOLE_SECONDS
from headwaiter.adjustments import ADJUSTMENTS, Adjustment

TIMES: list[tuple[str, float]] = [
    ("500ms", 0.5),
    ("30s", 30),
    ("5m", 300),
    ("2h", 7200),
    ("1d", 86400),
    ("1.5h", 5400),
    (" 5 m ", 300),
    ("0s", 0),
    ("0.1ms", 0.0001),
    ("5", 5),
    ("0.25", 0.25),
    ("1e1", 10),  # as Waitress' numbers
]
NO_TIMES = [
    "5min",
    "5M",
    "5S",
    "m",
    "5 m 3 s",
    "-5m",
    "5mm",
    "1,5h",
    "5\N{ARABIC-INDIC DIGIT TWO}s",
]

SIZES: list[tuple[str, int]] = [
    ("10kB", 10_000),
    ("10MB", 10_000_000),
    ("2GB", 2_000_000_000),
    ("64KiB", 65_536),
    ("10MiB", 10_485_760),
    ("1GiB", 1 << 30),
    ("1TiB", 1 << 40),
    ("10mb", 10_000_000),
    ("64kib", 65_536),
    ("10KB", 10_000),
    ("1.5GiB", 3 << 29),
    ("0.001kB", 1),
    ("100_000kB", 100_000_000),
    (" 7 B ", 7),
    ("7", 7),
    ("1_0", 10),  # as Waitress' numbers
]
# A bare letter is 1000 in some programs and 1024 in others.
NO_SIZES = ["10M", "10k", "1.5B", "0.0001kB", "MB", "-1MB", "1 0 MB", "1.5", "10MiBs"]


@pytest.mark.parametrize(("text", "expected"), TIMES)
def test_times(text: str, expected: float) -> None:
    assert Adjustments(send_timeout=text).send_timeout == expected


@pytest.mark.parametrize("text", NO_TIMES)
def test_no_times(text: str) -> None:
    with pytest.raises(ValueError, match=rf"^send_timeout: .*{text}'.*units are ms, s, m, h and d"):
        Adjustments(send_timeout=text)


@pytest.mark.parametrize(("text", "expected"), SIZES)
def test_sizes(text: str, expected: int) -> None:
    assert Adjustments(max_request_body_size=text).max_request_body_size == expected


@pytest.mark.parametrize("text", NO_SIZES)
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match=rf"^max_request_body_size: .*{text}'.*units are kB, MB"):
        Adjustments(max_request_body_size=text)


def test_whole_seconds() -> None:
    assert Adjustments(cleanup_interval="2m").cleanup_interval == 120
    for text in ("500ms", "1.5", "x"):
        with pytest.raises(ValueError, match=r"^cleanup_interval: expected a whole number"):
            Adjustments(cleanup_interval=text)


def test_units_in_each_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "my.toml"
    path.write_text("max_rss = '2GiB'\nsend_timeout = '2m'\n")
    monkeypatch.setenv("HEADWAITER_SPOOL_MEMORY", "32MiB")
    found = Adjustments(config=path, queue_timeout="250ms")
    assert (found.max_rss, found.send_timeout) == (2 << 30, 120)
    assert (found.spool_memory, found.queue_timeout) == (32 << 20, 0.25)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.25, "250ms"),
        (1.0, "1s"),
        (1.5, "1.5s"),
        (90.0, "90s"),
        (120.0, "2m"),
        (5400.0, "90m"),
        (7200, "2h"),
        (86400.0, "1d"),
        (315360000, "3650d"),
        (0.0001, "0.0001"),
        (1e-9, "1e-09"),
    ],
)
def test_shown_times_read_back(value: float, shown: str) -> None:
    assert units.shown_seconds(value) == shown
    assert SECONDS.cast(shown) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (1, "1"),
        (1000, "1kB"),
        (1024, "1KiB"),
        (262144, "256KiB"),
        (10_000_000, "10MB"),
        (1 << 30, "1GiB"),
        (3 << 29, "1536MiB"),
        (1_053_276_160, "1053276160"),  # 1028590KiB says no more
        (2**63 - 1, "9223372036854775807"),
    ],
)
def test_shown_sizes_read_back(value: int, shown: str) -> None:
    assert units.shown_size(value) == shown
    assert BYTES.cast(shown) == value


@pytest.mark.parametrize(
    "row",
    [row for row in ADJUSTMENTS if row.kind in (BYTES, SECONDS, WHOLE_SECONDS)],
    ids=lambda row: row.name,
)
def test_every_time_and_size_takes_units(row: Adjustment) -> None:
    text, value = ("3KiB", 3072) if row.kind is BYTES else ("3m", 180)
    assert row.cast(text) == value


def test_bounds_are_shown_with_units() -> None:
    value: Any = "11000d"
    with pytest.raises(ValueError, match="from 0 to 3650d, got '11000d'"):
        Adjustments(send_timeout=value)

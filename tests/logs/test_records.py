"""``docs/logging.md`` lists every record that the server can write, and no other."""

from __future__ import annotations

import re

from tests.logs import records
from tests.logs.records import Record


def matches(example: Record, pattern: Record) -> bool:
    same = (example.logger, example.level) == (pattern.logger, pattern.level)
    return same and re.fullmatch(pattern.text, example.text) is not None


def test_every_record_is_on_the_page() -> None:
    listed = records.listed()
    missing = [
        known for known in sorted(records.found()) if not any(matches(on, known) for on in listed)
    ]
    shown = [f"{one.logger} {one.level} {one.text}".replace("\\", "") for one in missing]
    assert not shown, "docs/logging.md needs an example of each:\n" + "\n".join(shown)


def test_every_record_of_the_page_exists() -> None:
    found = records.found()
    invented = [on for on in sorted(records.listed()) if not any(matches(on, one) for one in found)]
    assert not invented

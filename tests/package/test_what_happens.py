"""``docs/what-happens``: its log lines can be logged, its tests exist, its index is complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.messages import said_by
from tests.support.process import ROOT
from tests.support.target import headwaiter_only

pytestmark = headwaiter_only("it has no such pages")

FOLDER = ROOT / "docs/what-happens"
PAGES = sorted(set(FOLDER.glob("*.md")) - {FOLDER / "README.md"})
RECORD = re.compile(
    r" {4}(?:(?:INFO|WARNING|ERROR|CRITICAL) headwaiter(?:\.\w+)?|headwaiter): (.*)"
)
TEST = re.compile(r"`(tests/\S+\.py)::(\w+)`")
SECTIONS = (r"Timeline", r"What the client sees", r"What the log says", r"Which tests show it")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def records(text: str) -> Iterator[str]:
    """The log records of a page, each as one line. Lines with a deeper indentation belong to the
    record before them."""
    record = ""
    for line in [*text.splitlines(), ""]:
        begins = RECORD.match(line)
        if record and line.startswith(" " * 6) and not begins:
            record += " " + line.strip()
            continue
        if record:
            yield record
        record = begins[1] if begins else ""


@pages
def test_every_record_can_be_logged(page: Path) -> None:
    found = list(records(page.read_text(encoding="utf-8")))
    assert found
    assert [record for record in found if not said_by(record)] == []


@pages
def test_every_test_exists(page: Path) -> None:
    named = TEST.findall(page.read_text(encoding="utf-8"))
    assert named
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not (ROOT / file).exists()
        or not re.search(rf"(?m)^def {test}\(", (ROOT / file).read_text(encoding="utf-8"))
    ]
    assert missing == []


@pages
def test_a_page_answers_the_four_questions(page: Path) -> None:
    headings = re.findall(r"(?m)^## (.+)$", page.read_text(encoding="utf-8"))
    for section in SECTIONS:
        assert any(heading.startswith(section) for heading in headings), section


def test_the_index_names_every_page() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if f"({page.name})" not in index] == []


def test_a_record_goes_on_in_the_lines_below_it() -> None:
    text = """
    WARNING headwaiter.slow: GET / runs for 1 s; waited; worker 0:
      File "a.py", line 1
        b()
    INFO headwaiter: Serving on http://127.0.0.1:8080

    GET / HTTP/1.1 -> 200
"""
    slow, banner = records(text)
    assert slow == 'GET / runs for 1 s; waited; worker 0: File "a.py", line 1 b()'
    assert said_by(slow)
    assert said_by(banner)
    assert not said_by("no record says this")

"""What the README says in numbers is what the pages say that are made from measurements."""

from __future__ import annotations

import re

from tests.support.process import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
WORDS_ABOVE_THE_FOLD = 230


def conformance() -> dict[str, str]:
    """Rows passed, by server."""
    text = (ROOT / "docs/conformance.md").read_text(encoding="utf-8")
    (head,) = re.findall(r"(?m)^\| section \| (.+) \|$", text)
    (totals,) = re.findall(r"(?m)^\| \*\*all\*\* \| (.+) \|$", text)
    servers = [cell.split()[0] for cell in head.split(" | ")]
    return dict(zip(servers, re.findall(r"\*\*(\d+/\d+)", totals)))


def test_the_numbers_of_the_conformance_suite() -> None:
    found = re.search(
        r"asks for (\d+) things .*\s+headwaiter does all (\d+) of them, gunicorn (\d+), "
        r"Waitress (\d+)\.",
        README,
    )
    assert found
    asked, *passed = found.groups()
    shown = conformance()
    assert [f"{n}/{asked}" for n in passed] == [
        shown[server] for server in ("headwaiter", "gunicorn", "waitress")
    ]


def test_the_first_screen_is_short() -> None:
    """What it is, its picture, two lines to try it, one chart; then everything else."""
    first, _, _ = README.partition("\n## ")
    without_links = re.sub(r"\(https?[^)]*\)|<!--.*?-->|!\[.*?\]\(.*?\)", "", first)
    assert len(without_links.split()) <= WORDS_ABOVE_THE_FOLD
    pictures = re.findall(r"!\[", first)
    assert len(pictures) == 2
    (commands,) = re.findall(r"(?s)```sh\n(.*?)```", first)
    assert len(commands.splitlines()) == 2

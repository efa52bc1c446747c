"""What the README says in numbers is what the pages say that are made from measurements."""

from __future__ import annotations

import re
from pathlib import Path

import absolute_links
import pytest

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


def test_every_link_can_be_made_absolute(tmp_path: Path) -> None:
    """A package index shows the README alone: there no relative link leads anywhere."""
    file = tmp_path / "README.md"
    file.write_text(README, encoding="utf-8")
    url = "https://code.example/headwaiter"
    assert absolute_links.main([url, "v1.0", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    relative = [link for link in re.findall(r"\]\(([^)]+)\)", text) if ":" not in link]
    assert relative == []
    for kind, path in re.findall(rf"{url}/(\w+)/v1\.0/([^)#]+)", text):
        assert (ROOT / path).exists()
        assert kind == ("raw" if path.endswith((".png", ".svg")) else "blob")
    # Code is not touched, and nothing else either.
    assert text.replace(f"{url}/blob/v1.0/", "").replace(f"{url}/raw/v1.0/", "") == README


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](b.md#c)", "[a](https://u/blob/r/b.md#c)"),
        ("![a](b.png)", "![a](https://u/raw/r/b.png)"),
        ("[![a](b.png)](c.md)", "[![a](https://u/raw/r/b.png)](https://u/blob/r/c.md)"),
        ("[a](#b) [a](https://x/y) <https://z>", "[a](#b) [a](https://x/y) <https://z>"),
        ("```md\n[a](b.md)\n```\n[a](b.md)", "```md\n[a](b.md)\n```\n[a](https://u/blob/r/b.md)"),
    ],
)
def test_an_absolute_link(text: str, expected: str) -> None:
    assert absolute_links.absolute(text, "https://u/", "r") == expected

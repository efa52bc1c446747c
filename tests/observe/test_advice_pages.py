"""Each kind of advice has a title and a page."""

from __future__ import annotations

import re

from headwaiter._top.view import TITLES

from ..support.process import ROOT

PAGES = ROOT / "docs" / "advice"
KIND = re.compile(r'Self::\w+ => "([a-z-]+)"')


def test_each_kind_has_a_title_and_a_page() -> None:
    source = ROOT / "crates" / "engine" / "src" / "observe" / "advice" / "mod.rs"
    kinds = set(KIND.findall(source.read_text(encoding="utf-8")))
    assert len(kinds) > 10
    assert set(TITLES) == kinds
    assert {page.stem for page in PAGES.glob("*.md")} - {"README", "measured"} == kinds
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    assert [kind for kind in sorted(kinds) if f"({kind}.md)" not in index] == []


def test_each_kind_has_a_title_on_the_dashboard() -> None:
    page = ROOT / "crates" / "engine" / "src" / "observe" / "admin" / "dashboard.html"
    text = page.read_text(encoding="utf-8")
    titles = text[text.index("const ADVICE = {") :]
    titles = titles[: titles.index("};")]
    shown = re.findall(r'"?([a-z-]+)"?: "', titles)
    assert set(shown) == set(TITLES)

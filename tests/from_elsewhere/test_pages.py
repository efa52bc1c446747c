"""The pages in ``docs/from/``: their tables, and the examples in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from headwaiter import _headwaiter
from headwaiter._migrate import elsewhere, pages
from headwaiter._migrate.sources import plan_of
from headwaiter._settings.adjustments import Adjustments
from tests.support.process import ROOT, start_server

PAGES = sorted((ROOT / "docs/from").glob("*.md"))
EACH = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def test_every_server_that_people_come_from_has_a_page() -> None:
    named = {server.page for server in elsewhere.servers() if server.page}
    assert {page.stem for page in PAGES} == named


@EACH
def test_the_tables_are_those_of_the_rows(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == pages.filled(text), "run: python -m headwaiter._migrate.pages"


def test_every_table_is_in_a_page() -> None:
    found = [
        name
        for page in PAGES
        for _, name, _ in pages.MARK.findall(page.read_text(encoding="utf-8"))
    ]
    assert sorted(found) == sorted(pages.TABLES)


@EACH
def test_commands_in_the_pages_can_be_translated(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = re.findall(r"(?m)^    headwaiter migrate (.+)$", page.read_text(encoding="utf-8"))
    assert lines
    for line in lines:
        words = shlex.split(line.partition(" > ")[0])
        if not Path(words[0]).suffix:
            assert plan_of(words).open == []


@EACH
def test_toml_in_the_pages_is_right(page: Path) -> None:
    for block in re.findall(r"(?s)```toml\n(.*?)```", page.read_text(encoding="utf-8")):
        Adjustments(**_headwaiter.load_toml(block))


def test_the_cherrypy_application_runs(tmp_path: Path) -> None:
    pytest.importorskip("cherrypy")
    page = (ROOT / "docs/from/cherrypy.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"(?s)```python\n(.*?)```", page)
    (tmp_path / "myapp.py").write_text(code)
    with start_server("myapp:application", cwd=tmp_path) as server:
        reply = server.ask("/")
        assert (reply.status, reply.body) == (200, b"hello")
        assert server.ask("/nothing").status == 404

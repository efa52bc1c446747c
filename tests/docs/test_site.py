"""The site: its navigation, the check of the finished pages, and the whole of it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from _sphinx import check, reference, tree

from tests.support.process import ROOT, environment

needs_sphinx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("sphinx", "myst_parser", "furo")),
    reason="the group docs is not installed: `make docs` installs it",
)

INDEX = """\
# Entrance

## First

| [The one](one.md) | and [the `other`](../OTHER.md#part) |

## Second

[Advice](advice/README.md) [one](one.md) [elsewhere](https://example.com/x.md)
"""
PAGES = [
    *("docs/index", "docs/one", "OTHER", "docs/advice/README", "docs/advice/b", "docs/advice/a"),
    *("docs/from/x", "docs/new", "examples/y/README", "SECURITY"),
]


def test_the_index_is_the_navigation() -> None:
    parts = tree.parts(INDEX, PAGES)
    assert list(parts)[:2] == ["First", "Second"]
    assert parts["First"] == [("docs/one", "The one"), ("OTHER", "the other")]
    assert parts["Second"] == [("docs/advice/README", "Advice")]


def test_a_page_that_the_index_forgets_has_a_place() -> None:
    parts = tree.parts(INDEX, PAGES)
    placed = [entry.page for entries in parts.values() for entry in entries]
    below = [page for page in PAGES for page, _ in tree.children(page, "", PAGES)]
    assert sorted(["docs/index", *placed, *below]) == sorted(PAGES)
    assert parts["How-to guides"] == [("docs/from/x", "")]
    assert parts["Explanation"] == [("docs/new", "")]
    assert parts["The project"] == [("SECURITY", "")]


def test_pages_of_a_folder_are_in_the_order_of_its_page() -> None:
    text = "[`b`](b.md#x) [b](b.md) [one](../one.md)"
    found = tree.children("docs/advice/README", text, PAGES)
    assert found == [("docs/advice/b", "b"), ("docs/advice/a", "")]
    assert tree.children("docs/one", text, PAGES) == []
    assert tree.children("docs/advice/README", text, PAGES, listed=["docs/advice/a"]) == found[:1]


def test_a_comment_asks_for_docstrings() -> None:
    source = ["# API\n\n<!-- docstring of autoclass a.B: c, d -->\n\n<!-- another comment -->\n"]
    reference.replace_comments(None, "docs/api", source)  # type: ignore[arg-type]
    assert ".. autoclass:: a.B\n   :members: c, d\n```" in source[0]
    assert "<!-- another comment -->" in source[0]


GOOD = """<html><body><h1 id="top">x</h1><a href="b.html#here">b</a><a href="#top">up</a>
<a href="https://example.com/x?y#z">e</a><code>[a](b)</code><img src="p.png" alt="A picture">
<script src="_static/x.js?v=1"></script></body></html>"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site without problems."""
    (tmp_path / "index.html").write_text(GOOD)
    (tmp_path / "b.html").write_text('<p id="here"></p>')
    (tmp_path / "p.png").touch()
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static/x.js").touch()
    return tmp_path


def test_a_good_site_has_no_problems(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([str(site)]) == 0
    assert capsys.readouterr().out == f"2 pages in {site}, 0 problems\n"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("b.html#here", "c.html", "'c.html' leads nowhere"),
        ("b.html#here", "b.html#there", "leads to a place that is not on that page"),
        ("https://example.com/x?y#z", "https://exa mple.com/", "is no address"),
        ("https://example.com/x?y#z", "htps://example.com/", "has an unknown scheme"),
        ("p.png", "q.png", "'q.png' is missing"),
        (' alt="A picture"', "", "the picture 'p.png' has no text"),
        ("_static/x.js", "https://elsewhere.example/x.js", "from elsewhere"),
        ("<code>[a](b)</code>", "<p>[a](b)</p>", "Markdown is left"),
        ('<a href="b.html#here">b</a>', "", "b.html: no link leads here"),
    ],
)
def test_a_problem_is_found(
    before: str, after: str, problem: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = site / "index.html"
    assert before in index.read_text()
    index.write_text(index.read_text().replace(before, after))
    assert check.main([str(site)]) == 1
    shown = capsys.readouterr().out
    assert problem in shown
    assert ", 0 problems" not in shown


@needs_sphinx
@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_without_a_problem(tmp_path: Path) -> None:
    sphinx = ["-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "--conf-dir", "docs"]
    for words in (
        [*sphinx, "--doctree-dir", str(tmp_path / "doctrees"), ".", str(tmp_path / "site")],
        ["-m", "_sphinx.check", str(tmp_path / "site")],
    ):
        done = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            # Whoever asks the network gets nothing.
            env=environment(
                PYTHONPATH="docs", HTTPS_PROXY="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9"
            ),
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    for page in ("index", "docs/index", "docs/api", "README", "examples/deploy/nginx.conf"):
        assert (tmp_path / "site" / f"{page}.html").is_file()
    api = (tmp_path / "site/docs/api.html").read_text(encoding="utf-8")
    assert 'id="headwaiter.Server.reopen_logs"' in api

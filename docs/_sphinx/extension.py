"""The extension that Sphinx loads: it only puts the parts together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pygments.lexers import TextLexer
from sphinx.application import Sphinx

from _sphinx import checkout, reference, tree
from _sphinx.unbroken import ShortCode

UNCOLOURED = ("caddyfile", "haproxy", "procfile")
"""Languages of code blocks that Pygments does not know."""
Pages = Iterator[tuple[str, dict[str, Any], str]]


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", _add_navigation)
    app.connect("source-read", reference.replace_comments)
    for language in UNCOLOURED:
        app.add_lexer(language, TextLexer)
    app.add_transform(checkout.LinksToFiles)
    app.add_post_transform(ShortCode)
    app.connect("missing-reference", checkout.resolve)
    app.connect("html-collect-pages", checkout.pages)
    app.connect("html-collect-pages", _entrance)
    return {"parallel_read_safe": False, "parallel_write_safe": False}


def _add_navigation(app: Sphinx, page: str, source: list[str]) -> None:
    """Append the hidden lists of pages from which the navigation is made."""
    pages = {str(name) for name in app.env.found_docs}
    index = (app.srcdir / f"{tree.ROOT}.md").read_text(encoding="utf-8")
    parts = tree.parts(index, pages)
    listed = [entry.page for entries in parts.values() for entry in entries]
    if page == tree.ROOT:
        source[0] += "".join(_toctree(entries, title) for title, entries in parts.items())
    elif below := tree.children(page, source[0], pages, listed):
        source[0] += _toctree(below)


def _toctree(entries: list[tree.Entry], caption: str = "") -> str:
    lines = [f"{title} </{page}>" if title else f"/{page}" for page, title in entries]
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "", "```{toctree}", *options, "", *lines, "```", ""])


def _entrance(app: Sphinx) -> Pages:
    """The page at the root of the site, which leads to the index."""
    yield "index", {"title": app.config.project, "to": f"{tree.ROOT}.html"}, "entrance.html"

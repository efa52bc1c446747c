"""The PromQL of the docs can be parsed, and asks for metrics and labels that there are."""

from __future__ import annotations

import re

import promql_parser
import pytest

from ..support.process import ROOT

DOCS = ROOT / "docs"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]*)\|", re.MULTILINE)
ENDINGS = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}


def recipes() -> list[str]:
    """What looks like a query, in code that is part of a line or a block of its own."""
    found = []
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        inline = re.findall(r"`([^`\n]+)`", text)
        blocks = re.findall(r"(?s)```promql\n(.*?)```", text)
        queries = r"\b(rate|sum|histogram_quantile)\(.*\b(headwaiter|process)_|\bheadwaiter_\w+ =="
        found += [code for code in (*inline, *blocks) if re.search(queries, code, re.DOTALL)]
    return found


def metrics() -> dict[str, set[str]]:
    """The labels of each sample that the page of the metrics lists."""
    text = (DOCS / "metrics.md").read_text(encoding="utf-8")
    return {
        name + ending: {"instance", "job", "le", *re.findall(r"`(\w+)`", labels)}
        for name, kind, labels in ROW.findall(text)
        for ending in ENDINGS.get(kind, [])
    }


def test_there_are_recipes() -> None:
    assert len(recipes()) >= 10


def unknown(query: str, known: dict[str, set[str]]) -> list[str]:
    """The metrics and labels of ``query`` that are not ``known``."""
    found = []
    for name, labels in re.findall(r"\b((?:headwaiter|process)_\w+|up)\b(?:\{([^}]*)\})?", query):
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels))
        found += (
            [name] if name not in known else [f"{name}: {each}" for each in asked - known[name]]
        )
    return found


@pytest.mark.parametrize("query", recipes())
def test_a_recipe_asks_for_what_there_is(query: str) -> None:
    promql_parser.parse(query)
    assert unknown(query, metrics()) == []

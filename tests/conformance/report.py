"""The table on the terminal, and the page ``docs/conformance.md``."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata

from tests.conformance.launchers import LAUNCHERS
from tests.conformance.model import SECTIONS, Result, Verdict
from tests.conformance.process import ROOT

PAGE = ROOT / "docs" / "conformance.md"
Results = Mapping[str, Sequence[Result]]
MARKS = {
    Verdict.PASSED: "ok",
    Verdict.FAILED: "**no**",
    Verdict.CRASHED: "**crash**",
    Verdict.HUNG: "**hang**",
    Verdict.SKIPPED: "–",  # noqa: RUF001
}


def version(name: str) -> str:
    """The version of a server's distribution, as installed."""
    try:
        return metadata.version(LAUNCHERS[name].package)
    except metadata.PackageNotFoundError:
        return "unknown"


def cell(results: Sequence[Result], section: str | None) -> str:
    """``passed/applicable`` of one section, or of all, with crashes counted apart."""
    chosen = [r for r in results if section in (None, r.row.section)]
    applicable = [r for r in chosen if r.verdict is not Verdict.SKIPPED]
    if not applicable:
        return "–"  # noqa: RUF001
    passed = sum(r.verdict is Verdict.PASSED for r in applicable)
    crashed = sum(r.verdict in (Verdict.CRASHED, Verdict.HUNG) for r in applicable)
    return f"{passed}/{len(applicable)}" + (f" ({crashed}!)" if crashed else "")


def print_table(by_server: Results) -> None:
    """Sections down, servers across: passed out of applicable, ``(n!)`` for crashes and hangs."""
    if not by_server:
        return
    width = max(16, *(len(name) + 2 for name in by_server))
    print("\n" + " " * 16 + "".join(f"{name:>{width}}" for name in by_server))
    for section in (*SECTIONS, None):
        cells = (cell(results, section) for results in by_server.values())
        print(f"{section or 'all':16}" + "".join(f"{text:>{width}}" for text in cells))
    skipped = {
        name: sum(r.verdict is Verdict.SKIPPED for r in rs) for name, rs in by_server.items()
    }
    print(f"{'skipped':16}" + "".join(f"{count:>{width}}" for count in skipped.values()))


def write_docs(by_server: Results) -> None:
    """Writes the page from a whole run."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join(_page(by_server)) + "\n", encoding="utf-8")


def _page(by_server: Results) -> list[str]:
    names = list(by_server)
    lines = [
        "# Conformance",
        "",
        "<!-- Written by `python -m tests.conformance --all --write-docs`; do not edit. -->",
        "",
        "What headwaiter and its peers do with requests that must be refused, with requests and",
        "applications that must be served, and with clients that are slow, silent or gone. The",
        "suite is black-box: it starts each server by its command line, talks to it over",
        "sockets, and judges it by the bytes that come back and by a journal the application",
        "keeps. Run it on any of them yourself:",
        "",
        "    make conformance SERVER=waitress",
        "",
        "A failed row is not always a breach of a standard: the section `hardening`, and single",
        "rows elsewhere, ask for more than the standards do, and their source says whose demand",
        "it is. Each server runs with its default limits, one process and, where it has them,",
        "four threads; uWSGI behind its own HTTP router, bjoern and fastwsgi with the one thread",
        f"they have. CPython {platform.python_version()}, {platform.system()}.",
        "",
        "## Results by section",
        "",
        "Rows passed out of rows that apply; `(n!)` of them ended in a crash or a hang.",
        "",
        _line(["section", *(f"{name} {version(name)}" for name in names)]),
        _line(["---"] * (len(names) + 1)),
    ]
    lines += (
        _line([section, *(cell(by_server[name], section) for name in names)])
        for section in SECTIONS
    )
    lines.append(_line(["**all**", *(f"**{cell(by_server[name], None)}**" for name in names)]))
    lines += ["", "## Every row", ""]
    verdicts = {name: {r.row.id: r.verdict for r in rs} for name, rs in by_server.items()}
    some = next(iter(by_server.values()), ())
    for section, says in SECTIONS.items():
        lines += [f"### {section}", "", says, "", _line(["row", "demand", "source", *names])]
        lines.append(_line(["---"] * (len(names) + 3)))
        for result in some:
            row = result.row
            if row.section == section:
                marks = (MARKS[verdicts[name][row.id]] for name in names)
                short = row.id.partition(".")[2]
                lines.append(_line([f"`{short}`", row.says, row.source, *marks]))
        lines.append("")
    return lines[:-1]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |"

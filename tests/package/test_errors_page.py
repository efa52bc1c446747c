"""``docs/errors.md`` has every message of the sources, and no other.

A message that is missing is shown as the row that the page needs. A row that no source can say is
shown as it stands: correct it, or remove it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support import messages
from tests.support.messages import ANYTHING, Message
from tests.support.process import ROOT
from tests.support.target import headwaiter_only

pytestmark = headwaiter_only("it has no such page")

PAGE = ROOT / "docs/errors.md"
CODE = re.compile(r"(`+)(.+?)\1(?!`)")
COLUMNS = ("message", "sentence")


def rows() -> Iterator[dict[str, str]]:
    """The rows of all tables of the page, by the titles of their columns."""
    titles: list[str] = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            titles = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not titles:
            titles = cells
        elif not cells[0].startswith("-"):
            yield dict(zip(titles, cells))


def on_the_page() -> list[str]:
    """The messages that the page explains."""
    cells = (row[column] for row in rows() for column in COLUMNS if column in row)
    return [found[2].strip() for cell in cells for found in CODE.finditer(cell)]


def fits(message: Message, shown: str) -> bool:
    """Whether the page means ``message`` by ``shown``, which may leave parts out."""
    return message.matches(shown) or Message(shown.replace("…", ANYTHING), "").matches(
        message.shown()
    )


def test_every_message_is_on_the_page() -> None:
    page = on_the_page()
    missing = [
        f"| `{message.shown()}` | (what it means, and what to do) |  <- {message.where}"
        for message in messages.messages()
        if not any(fits(message, shown) for shown in page)
    ]
    assert not missing, "docs/errors.md lacks these rows:\n" + "\n".join(missing)


def test_the_page_has_no_other_message() -> None:
    found = messages.messages()
    stale = [shown for shown in on_the_page() if not any(fits(message, shown) for message in found)]
    assert not stale, "docs/errors.md explains what nothing says:\n" + "\n".join(stale)


def test_the_page_has_each_message_once() -> None:
    page = on_the_page()
    assert sorted({shown for shown in page if page.count(shown) > 1}) == []


def test_rules_have_their_status_and_their_sentence() -> None:
    source = (ROOT / "crates/http/src/refusal.rs").read_text(encoding="utf-8")
    refusals = re.findall(r'= (\d{3}), "([a-z0-9-]+)", "([^"]+)";', source)
    page = [
        (row["status"], row["rule"].strip("`"), row["sentence"].strip("`"))
        for row in rows()
        if "rule" in row
    ]
    assert sorted(page) == sorted(refusals)


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("def f(n):\n    raise ValueError(f'{n}: the port is taken')", ["…: the port is taken"]),
        ("def f():\n    text = 'nobody is here'\n    log.warning(text)", ["nobody is here"]),
        (
            "def f(a):\n    post(1, g(a))\ndef g(a):\n    return a if a else 'nothing is left'",
            ["nothing is left"],
        ),
        ("def f():\n    print('not a message')", []),
        ("def f(e):\n    raise StartError(str(e))", []),
        ("warnings.warn('%s has no effect', n)", ["… has no effect"]),
        ("super().__init__(f'no option is called {n}', n)", ["no option is called …"]),
        ("log.info('%(asctime)s %(message)s')", []),
        ("_fail(f'headwaiter top: {error}')", []),
    ],
)
def test_messages_are_found_in_python(code: str, texts: list[str]) -> None:
    module = messages.PythonModule(ast.parse(code), "x.py")
    assert sorted({message.shown() for message in module.messages()}) == texts


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ('log::warn!(target: crate::LOG, "the disk is full: {error}");', ["the disk is full: …"]),
        ('note(\n  log::Level::Info,\n  &format!("{path}: too long \\\n   by {n}"),\n)', [
            "…: too long by …"
        ]),
        ('PyValueError::new_err(format!("{{name}} is not {}", shown(x)))', ["{name} is not …"]),
        ('// log::warn!("not any more, since long");\n', []),
        ('let text = "never said by anybody";', []),
    ],
)  # fmt: skip
def test_messages_are_found_in_rust(code: str, texts: list[str]) -> None:
    assert [message.shown() for message in messages.of_rust_code(code, "x.rs")] == texts

"""What to say about an option of another server that headwaiter does not know."""

from __future__ import annotations

import re

from headwaiter._migrate.rows import Server, by_name
from headwaiter._settings.files import BEGINNING
from headwaiter._settings.table import BY_NAME

MOST = 2
"""Of meanings that are told, if servers mean different things."""


def servers() -> tuple[Server, ...]:
    """All servers with a table, those first whose users come most often."""
    from headwaiter._migrate import cherrypy, development, granian, gunicorn, mod_wsgi, uwsgi
    from headwaiter._migrate import waitress as waitress_

    return (
        *(gunicorn.SERVER, uwsgi.SERVER, waitress_.SERVER, granian.SERVER, mod_wsgi.SERVER),
        *(cherrypy.SERVER, development.FLASK, development.DJANGO, development.UVICORN),
    )


def answer(flag: str) -> str | None:
    """What to use in place of ``flag``, such as ``--worker-class=gevent``: words that go on after
    "no such option"; ``None`` if no server has it."""
    name = re.split(r"[=\s]", flag.strip(), maxsplit=1)[0]
    if not name.startswith("-"):
        return None
    meanings: dict[str, tuple[str, list[str]]] = {}
    for server in servers():
        row = by_name(server.options).get(name)
        # A page says that people come from there; others tell only what nobody else has.
        if row is not None and (server.page or not meanings):
            _, owners = meanings.setdefault(row.ours, (_first_sentence(row.text), []))
            owners.append(server.name)
    told = [_said(ours, text, owners) for ours, (text, owners) in meanings.items()]
    return "; ".join(told[:MOST]) or None


def _said(ours: str, text: str, owners: list[str]) -> str:
    whose = " and ".join(f"{owner}'s" for owner in owners)
    if not ours:
        return with_flags(f"it is {whose}: {text}")
    more = "" if text.startswith("The same") else f". {text}"
    return with_flags(f"it is {whose}: use {ours.replace(', ', ' and ')}{more}")


def _first_sentence(text: str) -> str:
    return re.split(r"\.(?:\s|$)", text, maxsplit=1)[0]


def bare(markdown: str) -> str:
    """Without backticks."""
    return markdown.replace("`", "")


def with_flags(markdown: str) -> str:
    """Words for the command line: adjustments as flags, without backticks."""

    def word(found: re.Match[str]) -> str:
        name = found[1]
        row = BY_NAME.get(name)
        if (row is not None and not row.keyword_only) or name in BEGINNING[1:]:
            return "--" + name.replace("_", "-")
        return "MODULE:OBJECT" if name == "application" else name

    return re.sub(r"`([^`]+)`", word, markdown)

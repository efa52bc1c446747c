"""The tables of other servers' options: they name what these servers name, and what exists here."""

from __future__ import annotations

import re
from typing import Callable, NamedTuple

import pytest

from headwaiter._migrate import (
    cherrypy,
    development,
    elsewhere,
    granian,
    gunicorn,
    mod_wsgi,
    uwsgi,
    waitress,
)
from headwaiter._migrate.rows import Option, Server, by_name
from headwaiter._settings.files import BEGINNING
from headwaiter._settings.flags import make_parser
from headwaiter._settings.table import BY_NAME
from tests.from_elsewhere import their_options
from tests.from_elsewhere.their_options import Names


class Table(NamedTuple):
    """A table and the server's own word. With ``since`` an older version has other options."""

    name: str
    options: tuple[Option, ...]
    names: Callable[[], Names]
    distribution: str
    since: tuple[int, int]
    elsewhere: str = ""
    """Names that this installation need not have, as a pattern."""


# Only builds of uWSGI with OpenSSL or libcap, or for FreeBSD, have these.
OTHER_BUILDS = (
    r"(--)?(.*(ssl|https|sni|legion|jail|jid-?file).*|suwsgi-socket|.*\bcap|subscriptions-sign.*)"
)
TABLES = (
    Table("gunicorn", gunicorn.OPTIONS, their_options.gunicorn, "gunicorn", (27, 0)),
    Table("granian", granian.OPTIONS, their_options.granian, "granian", (2, 8), "--help"),
    Table(
        "cheroot",
        (*cherrypy.COMMAND, *cherrypy.ARGUMENTS),
        their_options.cheroot,
        "cheroot",
        (11, 1),
        "max|numthreads|bind_addr|.*_.*|timeout|ssl_adapter",
    ),
    Table(
        "cherrypy", cherrypy.CHERRYPY, their_options.cherrypy, "cherrypy", (18, 10), r"\w+\..*on"
    ),
    Table(
        "waitress",
        waitress.OPTIONS,
        their_options.waitress,
        "waitress",
        (3, 0),
        r"--.*|call|app|help",
    ),
    Table("uwsgi", uwsgi.OPTIONS, their_options.uwsgi, "pyuwsgi", (2, 0), OTHER_BUILDS),
    Table(
        "mod_wsgi",
        mod_wsgi.OPTIONS,
        their_options.mod_wsgi,
        "mod_wsgi",
        (6, 1),
        "--(ssl-port|proxy-url-alias|lang|verbose-debugging|with-php5|auth-group-script)",
    ),
)
EVERY = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
SERVERS = pytest.mark.parametrize("server", elsewhere.servers(), ids=lambda server: server.name)
WORDS = {*BEGINNING, "serve(app)", "fd://N"}
"""What is neither an adjustment nor a flag."""


def theirs(table: Table) -> set[str]:
    names = table.names()
    if names is None:
        pytest.skip(f"{table.distribution} is not installed")
    return names


@EVERY
def test_every_option_of_theirs_has_a_row(table: Table) -> None:
    assert sorted(theirs(table) - by_name(table.options).keys()) == []


@EVERY
def test_every_row_is_an_option_of_theirs(table: Table) -> None:
    names = theirs(table)
    installed = their_options.version(table.distribution)
    if installed is not None and installed < table.since:
        pytest.skip(f"the table is for version {table.since} and newer")
    unknown = by_name(table.options).keys() - names
    assert sorted(each for each in unknown if not re.fullmatch(table.elsewhere, each)) == []


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (development.FLASK.options, their_options.flask),
        (development.DJANGO.options, their_options.runserver),
    ],
    ids=["flask", "runserver"],
)
def test_development_servers(options: tuple[Option, ...], names: Callable[[], Names]) -> None:
    assert (
        sorted((names() or set()) - by_name(options).keys() - {"--help", "-h", "--version"}) == []
    )


@SERVERS
def test_every_name_of_ours_exists(server: Server) -> None:
    flags = set(make_parser()._option_string_actions)
    for row in server.options:
        named = set(re.findall(r"`([^`]+)`", row.ours))
        assert named <= BY_NAME.keys() | flags | WORDS, row
        assert bool(named) == bool(row.ours), row


@SERVERS
def test_no_name_is_in_two_rows(server: Server) -> None:
    names = [name for row in server.options for name in row.names]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


@SERVERS
def test_every_row_says_something(server: Server) -> None:
    for row in server.options:
        assert row.text.endswith(tuple('.)"`')), row
        assert row.ours or row.text, row
        assert not (row.loss and row.rule), row


@SERVERS
def test_switches_are_options(server: Server) -> None:
    assert sorted((server.switches | server.optional) - by_name(server.options).keys()) == []

"""What the tables of other servers are made of.

Each module beside this one that is named after a server has the table of its options: data only,
with a rule for each option that ``headwaiter migrate`` translates. ``elsewhere.py`` answers for an
unknown option from the same rows, and ``pages.py`` makes the tables in ``docs/from/`` of them.
Nothing here is imported by a start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

if TYPE_CHECKING:
    from headwaiter._migrate.plan import Plan


class Unread(NamedTuple):
    """A value that only running the source could tell. ``why`` is a sentence without its end."""

    why: str


class Shell(NamedTuple):
    """A word of a command line that the shell, or the service manager, fills in at the start."""

    text: str


class Given(NamedTuple):
    """An option as it was found. ``shown`` is how it was written.

    ``is_by_cores`` and ``variables`` say that the value was computed: from the number of cores, and
    from the defaults of environment variables.
    """

    option: Option
    value: Any
    shown: str
    is_by_cores: bool = False
    variables: tuple[str, ...] = ()

    @property
    def values(self) -> list[Any]:
        """Each value of an option that may be repeated."""
        return list(self.value) if isinstance(self.value, (list, tuple)) else [self.value]


Rule = Callable[["Plan", Given], None]


class Option(NamedTuple):
    """One row: an option of theirs, or several that have one answer.

    ``names`` are their names: those with a hyphen in front are flags, the others stand in files.
    ``ours`` says what to use here, with adjustments and flags in backticks; empty if there is
    nothing. ``text`` says what differs, or why there is nothing and what to do. Without a ``rule``
    an option that was given becomes a note; a ``loss`` is one that somebody may miss. ``takes`` is
    how many words follow the flag; :class:`Server` knows the exceptions. With ``heeds_false`` the
    rule is asked for a false value, too.
    """

    names: tuple[str, ...]
    ours: str
    text: str
    rule: Rule | None = None
    takes: int = 1
    many: bool = False
    loss: bool = False
    heeds_false: bool = False

    @property
    def key(self) -> str:
        """The name by which rules and tests know the row."""
        plain = next((name for name in self.names if not name.startswith("-")), self.names[0])
        return plain.lstrip("-").replace("-", "_")


class Server(NamedTuple):
    """Another server. ``programs`` are its commands; ``page`` is the page about it, if any.

    ``finish`` is called when every rule has been, for what depends on several options or on
    defaults of theirs. ``switches`` are flags without a value, ``optional`` those that take one
    only after ``=``.
    """

    name: str
    programs: tuple[str, ...]
    page: str
    options: tuple[Option, ...]
    finish: Callable[[Plan, dict[str, Given]], None] | None = None
    switches: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()


def option(names: str, ours: str, text: str, rule: Rule | None = None, **more: Any) -> Option:
    """A row; ``names`` are separated by white space, and so may ``text`` be by any."""
    return Option(tuple(names.split()), ours, " ".join(text.split()), rule, **more)


def lost(names: str, text: str, **more: Any) -> Option:
    """A row without a counterpart that somebody may miss."""
    return option(names, "", text, loss=True, **more)


@cache
def by_name(options: tuple[Option, ...]) -> dict[str, Option]:
    """The rows by each of their names."""
    return {name: row for row in options for name in row.names}


def found(server: Server, name: str) -> Option | None:
    """The row of a flag or a name; a flag may be shortened while it is unambiguous."""
    rows = by_name(server.options)
    if name in rows:
        return rows[name]
    if not name.startswith("--"):
        return None
    near = {id(rows[each]): rows[each] for each in rows if each.startswith(name)}
    return next(iter(near.values())) if len(near) == 1 else None


def readable(given: Mapping[str, Given], key: str) -> Given | None:
    """The option, if it was given with a value that is known now."""
    one = given.get(key)
    return None if one is None or isinstance(one.value, (Unread, Shell)) else one


def merged(sources: Iterable[Iterable[Given]]) -> dict[str, Given]:
    """The options in force, by key: later sources win, and inside one source an option that may be
    repeated adds up."""
    result: dict[str, Given] = {}
    for source in sources:
        here: dict[str, Given] = {}
        for given in source:
            key = given.option.key
            before = here.get(key)
            if given.option.many and before is not None:
                together = [*before.values, *given.values]
                here[key] = given._replace(value=together, shown=f"{before.shown}, {given.shown}")
            elif given.option.rule is None and before is not None:  # each has to be named
                here[key] = given._replace(shown=f"{before.shown}, {given.shown}")
            else:
                here[key] = given
        result.update(here)
    return result

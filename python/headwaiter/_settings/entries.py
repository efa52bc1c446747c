"""Every option of the command line in one list: what the helps, the shell completion and the manual
page are made from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from headwaiter._settings import casts as kinds
from headwaiter._settings.flags import MANY
from headwaiter._settings.options import GROUP, OPTIONS
from headwaiter._settings.table import ADJUSTMENTS, GROUPS, Adjustment

_PATHS = (kinds.OPTIONAL_PATH, kinds.ACCESS_LOG, kinds.LOG_CONFIG)


class Entry(NamedTuple):
    """An option. Without a ``metavar`` it is a switch; ``negative`` is the flag that turns it off.

    ``takes`` is what completes the value: ``"file"``, ``"directory"`` or nothing; ``choices`` are
    all its values.
    """

    flags: tuple[str, ...]
    help: str
    group: str
    metavar: str = ""
    negative: str = ""
    many: bool = False
    choices: tuple[str, ...] = ()
    takes: str = ""

    @property
    def all_flags(self) -> tuple[str, ...]:
        return (*self.flags, self.negative) if self.negative else self.flags

    def usage(self) -> str:
        """The flags and the value, as a help shows them; ``--[no-]x`` stands for two flags."""
        if self.negative:
            return f"--[no-]{self.flags[-1][2:]}"
        return f"{', '.join(self.flags)} {self.metavar}".rstrip()


def plain(text: str) -> str:
    """``text`` without the marks of Markdown."""
    return re.sub(r"\[(.+?)\]\(.+?\)", r"\1", text).replace("`", "")


def entries() -> list[Entry]:
    """All options, by their groups."""
    general = [
        Entry(
            option.flags,
            option.help,
            GROUP,
            option.metavar,
            many=option.many,
            choices=option.choices,
            takes={"FILE": "file", "DIR": "directory"}.get(option.metavar, ""),
        )
        for option in OPTIONS
    ]
    return [*general, *_adjustments()]


def _adjustments() -> Iterator[Entry]:
    for group in GROUPS:
        for row in ADJUSTMENTS:
            if row.group == group and not row.keyword_only:
                yield _entry(row)


def _entry(row: Adjustment) -> Entry:
    is_path = row.kind in _PATHS
    words = row.kind.noun.partition("one of ")[2]
    return Entry(
        row.flags,
        f"{row.help} (default: {row.default_in_words()})",
        row.group,
        row.kind.metavar,
        negative=f"--no-{row.flag[2:]}" if row.is_boolean else "",
        many=row.kind in MANY,
        choices=tuple(words.split(", ")) if words else (),
        takes="directory" if row.name.endswith("_dir") else "file" if is_path else "",
    )

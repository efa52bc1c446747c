"""What ``headwaiter migrate`` has found out so far: settings, and what to say about them.

Rules of the tables and the ``finish`` of each server fill a :class:`Plan`; ``toml_text.py`` writes
it. Rules: every setting keeps how it was written at the source; every option that was given is
either translated or named.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from headwaiter._migrate.rows import Given, Rule, Server, Shell, Unread, merged
from headwaiter._settings.table import BY_NAME

ANY_PORT = re.compile(r"(?:(?:0\.0\.0\.0|\[::\]|\*)?:)?\$(?:PORT|\{PORT(?::?-\d*)?\}|\(PORT\))")
"""An address that only ``PORT`` completes."""


class Setting(NamedTuple):
    """A line of the TOML file. ``comments`` stand above it; ``is_off`` makes it a comment, too."""

    value: Any
    comments: tuple[str, ...] = ()
    is_off: bool = False


class Plan:
    """The translation of one source for ``server``."""

    def __init__(self, server: Server, source: str) -> None:
        self.server = server
        self.source = source
        self.also: list[str] = []
        """Other files that were read."""
        self.settings: dict[str, Setting] = {}
        self.open: list[str] = []
        """What needs a decision or other work before the move."""
        self.without: list[str] = []
        """What has no counterpart, and needs none."""
        self.differs: list[str] = []
        self.prefix: list[str] = []
        """Words of the command before the other server, such as ``exec`` and an agent's wrapper."""
        self.program = "headwaiter"
        self.flags: list[str] = []
        """Flags of the new command whose values are known at the start only."""
        self.platform_sets_port = False
        """Whether whoever starts this tells the port by ``PORT``."""
        self.start_is = ""
        """What the place of the command is called, such as ``ExecStart=`` of a unit."""
        self.notes: list[str] = []
        """What to do with the file that starts the server."""

    def set(
        self, name: str, value: Any, given: Given | None = None, *comments: str, off: bool = False
    ) -> None:
        """Set ``name``; a value that it cannot have is named instead."""
        if not self._is_possible(name, value, given):
            return
        said = [f"from {given.shown}"] if given else []
        said += [comment for comment in comments if comment]
        if given and given.variables:
            said.append(_of_variables(name, given.variables))
        self.settings[name] = Setting(value, tuple(said), off)

    def value(self, name: str, default: Any = None) -> Any:
        """What was set, if it is in force."""
        setting = self.settings.get(name)
        return default if setting is None or setting.is_off else setting.value

    def drop(self, name: str) -> None:
        self.settings.pop(name, None)

    def comment(self, name: str, comment: str) -> None:
        """Add a comment above a setting, if it is there."""
        if name in self.settings:
            setting = self.settings[name]
            self.settings[name] = setting._replace(comments=(*setting.comments, comment))

    def need(self, what: str, text: str) -> None:
        """Say what must be decided or done."""
        self.open.append(f"{what}: {text}")

    def miss(self, what: str, text: str) -> None:
        """Say that ``what`` has no counterpart."""
        self.without.append(f"{what}: {text}")

    def differ(self, text: str) -> None:
        """Say what is not as before."""
        if text not in self.differs:
            self.differs.append(text)

    def take(self, sources: list[list[Given]]) -> dict[str, Given]:
        """Translate every option that was given. Returns them by key."""
        given = merged(sources)
        for one in given.values():
            row = one.option
            if isinstance(one.value, Unread):
                ours = f"; here: {row.ours}" if row.ours else ""
                self.need(one.shown, f"not read, because {one.value.why}{ours}")
            elif isinstance(one.value, Shell):
                self._by_shell(one, one.value.text)
            elif _is_unused(one.value) and not (row.heeds_false and one.value is False):
                continue
            elif row.rule is not None:
                self._apply(row.rule, one)
            elif row.loss:
                self.need(one.shown, row.text)
            else:
                self.miss(one.shown, row.text)
        if self.server.finish:
            try:
                self.server.finish(self, given)
            except ValueError as error:  # of a value that a rule has named already
                self.need("values that are no numbers", str(error))
        return given

    def _apply(self, rule: Rule, one: Given) -> None:
        try:
            rule(self, one)
        except (ValueError, TypeError):
            ours = f"; here: {one.option.ours}" if one.option.ours else ""
            self.need(one.shown, f"not understood{ours}")

    def _by_shell(self, one: Given, text: str) -> None:
        """Leave a value that the start tells to the variable ``PORT``, or to a flag."""
        names = re.findall(r"`(\w+)`", one.option.ours)
        if names[:1] == ["listen"] and ANY_PORT.fullmatch(text):
            self.platform_sets_port = True
            why = "PORT says where, here, too: 0.0.0.0:PORT"
            default = re.search(r":-(\d+)", text)
            if default:
                why += "; use this line if it is not always set"
                self.set("listen", f"0.0.0.0:{default[1]}", one, why, off=True)
            else:
                self.differ(why)
        elif names and names[0] in BY_NAME:
            self.flags.append(f"{BY_NAME[names[0]].flag}={text}")
        else:
            self.need(one.shown, "its value is known at the start only")

    def _is_possible(self, name: str, value: Any, given: Given | None) -> bool:
        row = BY_NAME.get(name)
        if row is None:
            return True
        try:
            row.cast(value)
        except (ValueError, TypeError) as error:
            self.need(given.shown if given else name, str(error))
            return False
        return True


def _is_unused(value: Any) -> bool:
    """Whether the value says that the option is not used. A zero is a value."""
    return value is None or value is False or (not value and not isinstance(value, (int, float)))


def _of_variables(name: str, variables: tuple[str, ...]) -> str:
    ours = BY_NAME[name].variable if name in BY_NAME else ""
    theirs = " and ".join(variables)
    instead = f"; {ours} has one" if ours else ""
    return f"the value when {theirs} is not set; {theirs} has no effect here{instead}"

"""Writes a :class:`Plan` as a TOML file: settings with their reasons as comments, and above them
what the user has to know."""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from headwaiter._migrate.elsewhere import bare
from headwaiter._migrate.plan import Plan, Setting
from headwaiter._settings.files import BEGINNING
from headwaiter._settings.table import ADJUSTMENTS

OWN = "headwaiter.toml"
WIDTH = 96


def text(plan: Plan, command: str, output: str | None) -> str:
    """The whole file. ``command`` is what made it, ``output`` its name if it has one."""
    lines = [*_wrapped(f"Made by: {command}", "# ", "#     ")]
    lines += [f"# It has read {' and '.join(plan.also)}, too."] if plan.also else []
    lines.append("#")
    lines += [] if output else [f"# Save it as {OWN} in the directory of the start.", "#"]
    lines += _start(plan, output)
    lines += _list("Decide or do this first:", plan.open)
    lines += _list("What differs:", plan.differs)
    lines += _list("Without a counterpart, and nothing to do:", plan.without)
    lines.pop()  # the last of them needs no distance
    for name, setting in sorted(plan.settings.items(), key=lambda item: _place(item[0])):
        lines += ["", *_setting(name, setting)]
    # An argument may have bytes that are no text.
    return "\n".join([*lines, ""]).encode("utf-8", "replace").decode()


def start(plan: Plan, output: str | None) -> str:
    """The command that starts the server."""
    words = [*plan.prefix, *plan.program.split(" "), *_config(output), *plan.flags]
    if plan.value("application") is None:
        words.append("MODULE:OBJECT")
    return " ".join(word if "$" in word else shlex.quote(word) for word in words)


def _config(output: str | None) -> list[str]:
    return ["--config", output] if output and output != OWN else []


def _start(plan: Plan, output: str | None) -> Iterator[str]:
    yield "# Start it by:"
    yield "#"
    yield f"#     {plan.start_is}{start(plan, output)}"
    yield "#"
    for note in plan.notes:
        yield from _wrapped(note, "# ")
    if plan.notes:
        yield "#"


def _list(title: str, items: Iterable[str]) -> Iterator[str]:
    items = list(items)
    if items:
        yield f"# {title}"
        for item in items:
            yield from _wrapped(bare(item), "# - ", "#   ")
        yield "#"


def _setting(name: str, setting: Setting) -> Iterator[str]:
    for comment in setting.comments:
        yield from _wrapped(bare(comment), "# ")
    off = "# " if setting.is_off else ""
    yield f"{off}{name} = {value(setting.value)}"


def _wrapped(words: str, first: str, later: str = "") -> list[str]:
    safe = re.sub(r"[\x00-\x1f\x7f]+", " ", words)
    return textwrap.wrap(
        safe,
        WIDTH,
        initial_indent=first,
        subsequent_indent=later or first,
        break_long_words=False,
        break_on_hyphens=False,
    )


def value(of: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(of, bool):
        return str(of).lower()
    if isinstance(of, (int, float)):
        return str(of)
    if isinstance(of, (list, tuple)):
        return f"[{', '.join(map(value, of))}]"
    return json.dumps(str(of), ensure_ascii=False).replace("\x7f", "\\u007f")


def _place(name: str) -> int:
    order = [*BEGINNING, *(row.name for row in ADJUSTMENTS)]
    bare = name.partition(".")[0]
    return order.index(bare) if bare in order else len(order)

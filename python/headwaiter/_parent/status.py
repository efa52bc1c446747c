"""What ``headwaiter ctl status`` shows."""

from __future__ import annotations

import os

from headwaiter._headwaiter import __version__
from headwaiter._parent.children import Children
from headwaiter._parent.machine import Machine

TITLES = ("slot", "pid", "state", "for", "connections", "waiting", "idle")


def shown(machine: Machine, children: Children, now: float, uptime: float) -> str:
    """The processes as a table, and why the last reload failed, if it did."""
    state = "stopping, " if machine.stopping else "reloading, " if machine.reloading else ""
    lines = [
        f"headwaiter {__version__}, process {os.getpid()}, up {uptime:.0f} s: {state}"
        f"{len(machine.places)} wanted, {len(machine.ready())} ready",
        _row(TITLES),
    ]
    for slot, child in sorted(machine.children.items()):
        process = children.by_slot.get(slot)
        line = children.page.line(slot)
        since = child.began if child.ready_at is None else child.ready_at
        counts = [line.get(name, 0) for name in TITLES[4:]]
        pid = (process and process.popen.pid) or "-"  # 0: it is being forked
        lines.append(_row((slot, pid, child.phase.value, f"{now - since:.0f} s", *counts)))
    for number, template in sorted(machine.templates.items()):
        started = children.templates.get(number)
        age = now - (template.began if template.ready_at is None else template.ready_at)
        pid = started.popen.pid if started else "-"
        lines.append(_row(("template", pid, template.phase.value, f"{age:.0f} s")))
    if machine.reload_error:
        lines.append(f"the last reload failed:\n{machine.reload_error}")
    return "\n".join(lines)


def _row(cells: tuple[object, ...]) -> str:
    return "  ".join(f"{cell!s:<{len(title) + 2}}" for cell, title in zip(cells, TITLES)).rstrip()

"""The machine's end and beginning in an upgrade: what the old version knows, and how the new one
goes on with it.

Times stay as they are: the system's clock runs on.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from headwaiter._parent.child import Child, Config, Phase, Place, Template
from headwaiter._parent.replacing import Replacements
from headwaiter._parent.state import known


class Adoption(Replacements):
    def __init__(self, config: Config, now: float) -> None:
        super().__init__(config, now)
        self.restarts = 0
        """Children that died and were started again."""
        self.gil = True
        """Whether the last child that was ready has a GIL."""

    def state(self) -> dict[str, Any]:
        """Children, places and counts, for JSON."""
        return {
            "epoch": self.epoch,
            "restarts": self.restarts,
            "gil": self.gil,
            "leaver": _slot(self._leaver),
            "children": [_written(child) for child in self.children.values()],
            "templates": [_written(template) for template in self.templates.values()],
            "places": [
                {
                    **vars(place),
                    "current": _slot(place.current),
                    "successor": _slot(place.successor),
                }
                for place in self.places
            ],
        }

    def _adopt(self, state: dict[str, Any]) -> None:
        """Go on with the children of a server that has served."""
        self.has_served = True
        self.epoch, self.restarts = state["epoch"], state["restarts"]
        self.gil = state.get("gil", True)
        for written in state["children"]:
            child = Child(**known(Child, {**written, "phase": Phase(written["phase"])}))
            self.children[child.slot] = child
        for written in state.get("templates", ()):
            template = Template(**known(Template, {**written, "phase": Phase(written["phase"])}))
            self.templates[template.slot] = template
        self._last_template = max(self.templates, default=-1)
        for written in state["places"]:
            filled = {role: self.children.get(written[role]) for role in ("current", "successor")}
            self.places.append(Place(**known(Place, {**written, **filled})))
        self._leaver = self.children.get(state["leaver"])
        self._replaced = next((place for place in self.places if place.successor), None)


def _written(child: Child) -> dict[str, Any]:
    return {**asdict(child), "phase": child.phase.value}


def _slot(child: Child | None) -> int | None:
    return None if child is None else child.slot

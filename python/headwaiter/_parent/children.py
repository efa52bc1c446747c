"""The child processes: how they are started, told, and what they leave behind.

Each slot in use has an inbox, to which siblings send connections. The parent keeps both ends of it
open: a connection that is in the inbox of a child that dies goes to a sibling.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable

from headwaiter import _headwaiter
from headwaiter._parent.channel import Channel
from headwaiter._parent.listening import Listening
from headwaiter._parent.state import known
from headwaiter._parent.template import Adopted, TemplateProcess
from headwaiter._process import signals
from headwaiter._settings.variables import SLOT_VARIABLE

MOST_NAMED = 10
"""The most requests that a log record names."""


@dataclass
class ChildProcess:
    """A child that runs, and what it has said."""

    slot: int
    popen: subprocess.Popen[bytes] | Adopted
    channel: Channel
    inbox: int
    outbox: int
    """The end of the inbox that siblings send to."""
    began: float
    is_ready: bool = False
    is_lost: bool = False
    template: int | None = None
    """The template that has forked it."""
    has_served: bool = False
    has_told: bool = False
    """Whether its final figures have come."""

    def close(self) -> None:
        """Close everything but the inbox."""
        self.channel.close()
        os.close(self.outbox)


class Children:
    """All child processes, by their slots."""

    def __init__(
        self,
        command: Sequence[str],
        arguments: Sequence[str],
        listening: Listening,
        page: _headwaiter.Page,
        directory: str,
    ) -> None:
        self.command = list(command)
        self.arguments = list(arguments)
        self.more: list[str] = []
        """Further arguments, which the configuration of the server leads to."""
        self.listening = listening
        self.page = page
        self.directory = directory
        self.by_slot: dict[int, ChildProcess] = {}
        self.templates: dict[int, TemplateProcess] = {}
        self._orphans: list[tuple[float, int]] = []
        """Inboxes of children that are gone, each with the time at which it is closed."""

    def state(self, keep: Callable[[int], int]) -> dict[str, Any]:
        """The processes and what belongs to them, for JSON. ``keep`` is called with descriptors."""
        return {
            "page": keep(self.page.fileno()),
            "orphans": [[until, keep(inbox)] for until, inbox in self._orphans],
            "processes": [
                {
                    **vars(child),
                    "popen": child.popen.pid,
                    "channel": child.channel.state(keep),
                    "inbox": keep(child.inbox),
                    "outbox": keep(child.outbox),
                }
                for child in self.by_slot.values()
            ],
            "templates": [
                {
                    **vars(template),
                    "popen": template.popen.pid,
                    "channel": template.channel.state(keep),
                }
                for template in self.templates.values()
            ],
        }

    def adopt(self, state: dict[str, Any]) -> None:
        """Go on with the children of this :meth:`state`, whose page is here already."""
        self._orphans = [(until, inbox) for until, inbox in state["orphans"]]
        for written in state["processes"]:
            popen, channel = Adopted(written["popen"]), Channel.adopted(written["channel"])
            fields = known(ChildProcess, {**written, "popen": popen, "channel": channel})
            child = ChildProcess(**fields)
            self.by_slot[child.slot] = child
        for written in state.get("templates", ()):
            popen, channel = Adopted(written["popen"]), Channel.adopted(written["channel"])
            fields = known(TemplateProcess, {**written, "popen": popen, "channel": channel})
            self.templates[written["number"]] = TemplateProcess(**fields)

    def start_template(self, number: int) -> TemplateProcess:
        """Start a template.

        Raises:
            OSError: The process cannot be started.
        """
        own, its = socket.socketpair()
        with its, contextlib.ExitStack() as opened:
            opened.callback(own.close)
            popen = self._spawn(["--template"], {"control": its.fileno()}, [], None)
            opened.pop_all()
        self.templates[number] = TemplateProcess(number, popen, Channel(own))
        return self.templates[number]

    def bury_template(self, template: TemplateProcess) -> None:
        """Forget a template that is gone."""
        del self.templates[template.number]
        template.channel.close()

    def end_templates(self) -> None:
        """Kill the templates that are left."""
        for template in self.templates.values():
            template.popen.send_signal(signal.SIGKILL)
        for template in self.templates.values():
            if sys.platform == "linux":  # no template elsewhere
                with contextlib.suppress(ChildProcessError):
                    os.waitid(os.P_PID, template.popen.pid, os.WEXITED | os.WNOWAIT)
            template.popen.poll()

    def start(self, slot: int, place: int, template: int | None = None) -> ChildProcess:
        """Start a child for a place, or have it forked by a template, and introduce it to the
        others.

        Raises:
            OSError: The process cannot be started.
        """
        listeners = self.listening.of_place(place)
        self.page.clear(slot)
        with contextlib.ExitStack() as opened:
            own, its = socket.socketpair()
            opened.callback(own.close)
            inbox, outbox = _headwaiter.inbox_pair()
            opened.callback(os.close, inbox)
            opened.callback(os.close, outbox)
            with its:
                passed = {"control": its.fileno(), "page": self.page.fileno(), "inbox": inbox}
                popen = self._begin(slot, passed, listeners, template)
            opened.pop_all()
        channel, began = Channel(own), time.monotonic()
        child = ChildProcess(slot, popen, channel, inbox, outbox, began, template=template)
        for other in self.by_slot.values():
            self._introduce(child, other)
            self._introduce(other, child)
        self.by_slot[slot] = child
        return child

    def _begin(
        self, slot: int, passed: dict[str, int], listeners: list[int], template: int | None
    ) -> subprocess.Popen[bytes] | Adopted:
        if template is None:
            return self._spawn([f"--slot={slot}"], passed, listeners, slot)
        if template not in self.templates:
            raise ProcessLookupError("the template has just died")
        return self.templates[template].fork(slot, passed, listeners)

    def _spawn(
        self, flags: list[str], passed: dict[str, int], listeners: list[int], slot: int | None
    ) -> subprocess.Popen[bytes]:
        flags = [*flags, *(f"--{name}={descriptor}" for name, descriptor in passed.items())]
        flags += [f"--listen={descriptor}" for descriptor in listeners]
        with signals.held_back():  # until the child ignores them, see `leave_stops_to_parent`
            return subprocess.Popen(
                [*self.command, *flags, "--", *self.more, *self.arguments],
                pass_fds=[*passed.values(), *listeners],
                cwd=self.directory,
                env=environment(slot),
            )

    def _introduce(self, child: ChildProcess, sibling: ChildProcess) -> None:
        child.channel.send({"do": "sibling", "slot": sibling.slot}, sibling.outbox)

    def bury(self, child: ChildProcess, keep_until: float) -> None:
        """Forget a child that is gone. Its inbox is kept for a while: a sibling may be about to
        send to it."""
        del self.by_slot[child.slot]
        self.page.clear(child.slot)
        self._orphans.append((keep_until, child.inbox))
        child.close()
        for other in self.by_slot.values():
            other.channel.send({"do": "forget", "slot": child.slot})
        self.forward()

    def forward(self) -> int:
        """Move the connections of children that are gone to a child that is ready; return how
        many."""
        moved = 0
        with contextlib.suppress(OSError):  # no descriptor is left: a later call tries again
            for _, inbox in self._orphans:
                for child in self.by_slot.values():
                    if child.is_ready:
                        moved += self.page.forward(inbox, child.slot, child.outbox)
        return moved

    def next_time(self) -> float | None:
        """When :meth:`expire` is due."""
        return min((until for until, _ in self._orphans), default=None)

    def expire(self, now: float) -> None:
        """Close the inboxes that nobody sends to any more."""
        if any(until <= now for until, _ in self._orphans):
            self.forward()
            for _, inbox in [item for item in self._orphans if item[0] <= now]:
                os.close(inbox)
            self._orphans = [item for item in self._orphans if item[0] > now]

    def running(self, slot: int) -> str:
        """The requests that the child is running, and how many wait in it, for the log."""
        requests, waiting = self.page.running(slot), self.page.line(slot).get("waiting", 0)
        if not requests:
            return ""
        named = [f"{method} {path} ({age:.1f} s)" for method, path, age in requests[:MOST_NAMED]]
        more = len(requests) - len(named)
        text = f", running {', '.join(named)}{f' and {more} more' if more else ''}"
        return f"{text}; {waiting} waited" if waiting else text


def environment(slot: int | None = None) -> dict[str, str]:
    """The environment of a child: the service manager hears of the parent alone."""
    private = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
    kept = {name: value for name, value in os.environ.items() if name not in private}
    return kept if slot is None else {**kept, SLOT_VARIABLE: str(slot)}

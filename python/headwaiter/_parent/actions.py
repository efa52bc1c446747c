"""What the machine decides: ``loop.py`` carries these actions out, in order."""

from __future__ import annotations

from typing import NamedTuple, Union


class Start(NamedTuple):
    """Start a child in a free slot, for the place with this number; with a ``template`` that one
    forks it."""

    slot: int
    place: int
    template: int | None = None


class StartTemplate(NamedTuple):
    """Start a template, which loads the application."""

    number: int


class DismissTemplate(NamedTuple):
    """Let a template end."""

    number: int


class KillTemplate(NamedTuple):
    number: int


class Tell(NamedTuple):
    """Send a message on the control socket of a child."""

    slot: int
    what: str
    number: int | None = None


class Kill(NamedTuple):
    """Send a signal to a child."""

    slot: int
    number: int


class Log(NamedTuple):
    level: int
    text: str


class Notify(NamedTuple):
    """Send a state to the service manager."""

    state: str


class Stopping(NamedTuple):
    """The whole server stops: mark the page, and close the parent's listeners."""


class Reloaded(NamedTuple):
    """A reload has ended; ``error`` is empty if every process is new."""

    error: str


class Exit(NamedTuple):
    """The parent is done. ``error`` is the text for standard error, if it never served."""

    status: int
    error: str = ""


Action = Union[
    Start,
    StartTemplate,
    DismissTemplate,
    KillTemplate,
    Tell,
    Kill,
    Log,
    Notify,
    Stopping,
    Reloaded,
    Exit,
]

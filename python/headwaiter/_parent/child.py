"""What the machine knows of one child, and of the place that the child fills."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Config:
    """The settings of the machine."""

    processes: int
    drain_delay: float = 0.0
    shutdown_timeout: float = 30.0
    max_lifetime: float | None = None
    slots: int = 64
    same_stop: float = 0.5
    """Seconds within which a second stop signal is the same stop."""
    adaptive: bool = False
    """Start one process; the others follow only if its GIL is on."""
    preload: bool = False
    """Children are forked by a template."""
    development: bool = False
    """A reload ends all children, then starts the new ones: nobody wants a reply of the old code.
    A child that fails to start waits for the next reload."""


class Phase(enum.Enum):
    STARTING = "starting"
    READY = "ready"
    LEAVING = "leaving"


@dataclass(eq=False)
class Child:
    """A child from its start to its exit. Times are seconds of the loop's clock."""

    slot: int
    began: float
    epoch: int
    phase: Phase = Phase.STARTING
    ready_at: float | None = None
    expires_at: float | None = None
    """When ``max_lifetime`` ends."""
    asks: str = ""
    """Why the child wants to be replaced."""
    heard_at: float = 0.0
    """When that request is granted."""
    ping_at: float | None = None
    """When the next ping is due."""
    pinged_at: float | None = None
    """When the ping was sent that has not been answered."""
    warn_at: float | None = None
    """When the log mentions that the child still starts."""
    end_at: float | None = None
    """When the child gets the next of ``signals``."""
    signals: list[int] = field(default_factory=list)
    """The signals that end a child that does not leave, in this order."""
    failure: str = ""
    """What the child reported when it failed to start."""
    failed_with: int = 1

    def judged_at(self) -> float:
        """The next time at which the machine acts on the child's silence."""
        return min(time for time in (self.ping_at, self.end_at, math.inf) if time is not None)

    def extend(self, seconds: float) -> None:
        """Give the child more time."""
        for name in ("ping_at", "pinged_at", "end_at"):
            time = getattr(self, name)
            if time is not None:
                setattr(self, name, time + seconds)


@dataclass(eq=False)
class Template(Child):
    """A process that has loaded the application and forks children. Its number is its ``slot``."""

    asked: int = 0
    """Children that it was asked for and has not forked yet. It is killed at ``end_at``."""


@dataclass(eq=False)
class Place:
    """One of the processes that are wanted: who fills it, and who will replace that child."""

    current: Child | None = None
    successor: Child | None = None
    deaths: int = 0
    """Failed starts and deaths in a row."""
    start_at: float | None = None
    """When the next start is due; ``None`` while the place is filled."""

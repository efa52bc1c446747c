"""The figures of a server as types: what :meth:`headwaiter.Server.stats` returns.

``/status.json`` of the admin endpoint shows the same. Times are seconds, sizes are bytes, and a
number that the system does not tell is ``None``. Later versions may add keys and take none away.
"""

# tests/observe/test_status_types.py compares these classes with what the engine says.

from __future__ import annotations

from typing import TypedDict


class About(TypedDict):
    """What the server is."""

    version: str
    pid: int
    uptime: float
    listening: list[str]
    """A URL for each address; ``unix:PATH`` for a Unix socket."""
    application: str
    python: str
    gil: bool
    draining: bool
    threads: int
    """Worker threads that exist now."""
    threads_min: int
    threads_max: int
    cores: int
    """Cores that the process may use."""


class Advice(TypedDict):
    """The verdict; ``docs/advice/README.md`` explains each kind."""

    kind: str
    text: str
    threads: int | None
    """How many threads would help, if that is the remedy."""
    processes: int | None
    place: str | None
    """The line of the application that the verdict is about."""
    width: int | None
    """How many requests can pass that line at a time."""
    evidence: list[str]
    sure: bool
    page: str


class Channels(TypedDict):
    """Open connections, by what they do. A sample that is at most a second old."""

    idle: int
    receiving: int
    waiting: int
    running: int
    sending: int


class Now(TypedDict):
    """What the server does at this moment."""

    queue_depth: int
    oldest_wait: float
    workers_busy: int
    workers: int
    active_limit: int
    """Workers that may run at once at this moment."""
    channels: Channels
    spool_memory: int
    spool_disk: int
    unsent: int
    gil_probe: float | None
    """How long the last thread that asked for the GIL waited."""


class Sum(TypedDict):
    """How often, and how long all together."""

    count: int
    sum: float


class Totals(TypedDict):
    """What was counted since the start."""

    requests: dict[str, int]
    """By class of status, ``1xx`` to ``5xx``; ``none`` got no reply."""
    ends: dict[str, int]
    """By how they ended; ``docs/observing.md`` lists the ends."""
    refusals: dict[str, int]
    """By the rule, limit or deadline that ended them."""
    bytes_in: int
    bytes_out: int
    connections: int
    handed_over: int
    taken_over: int
    not_taken_over: int
    health_checks: int
    evicted: int
    accept_pauses: int
    send_timeouts: int
    access_log_dropped: int
    panics: int
    phases: dict[str, Sum]
    """By phase; ``docs/observing.md`` lists the phases."""
    worker_seconds: dict[str, float]


class Quantiles(TypedDict):
    """Of one phase, within about the last minute; ``None`` without a request."""

    p50: float | None
    p99: float | None


class Process(TypedDict):
    """What the operating system says."""

    cpu: float | None
    rss: int | None
    fds: int | None
    gil_held_share: float | None
    """At most this share of the last second a worker held the GIL."""


class Pauses(TypedDict):
    """Garbage collections, measured with ``gc_pauses=True``."""

    count: int
    seconds: float
    longest: float


class Expected(TypedDict):
    """What a number of threads would give, by the model of ``docs/advice/README.md``."""

    threads: int
    rate: float
    wait: float
    limit: str
    place: str | None


class Place(TypedDict):
    """A line at which workers spent time in the last minute."""

    route: str
    at: str
    state: str
    seconds: float
    share: float


class Profile(TypedDict):
    """Where the workers were in the last minute, in seconds of all of them together."""

    seconds: float
    computing: float
    core: float
    gil: float
    waiting: float
    places: list[Place]


class Failed(TypedDict):
    """Requests of a route that failed in about the last minute."""

    route: str
    requests: int


class Beside(TypedDict):
    """A thread of the application that computes beside the workers."""

    thread: str
    cores: float


class WorkerBase(TypedDict):
    worker: int
    state: str
    """``idle`` or ``running``."""


class Worker(WorkerBase, total=False):
    """A worker; the other keys are there while it runs a request."""

    method: str
    path: str
    client: str | None
    age: float
    cpu: float | None
    phase: str
    doing: str
    """What the last look saw, one of ``computing``, ``gil``, ``core`` and ``waiting``."""
    at: str
    process: int
    """The slot, in ``/status.json`` of several processes."""


class WaitingBase(TypedDict):
    method: str
    path: str
    client: str | None
    age: float


class Waiting(WaitingBase, total=False):
    """A request that waits for a worker; the oldest fifty are listed."""

    process: int


class Status(TypedDict):
    """Everything at one moment."""

    server: About
    advice: Advice
    now: Now
    totals: Totals
    quantiles: dict[str, Quantiles]
    """By phase; empty until two samples were taken, a second apart."""
    process: Process
    gc_pauses: Pauses
    expected: list[Expected]
    profile: Profile
    failed: list[Failed]
    beside: list[Beside]
    workers: list[Worker]
    waiting: list[Waiting]

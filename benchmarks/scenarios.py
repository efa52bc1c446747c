"""What is measured: for each scenario the application, the load and what a right answer is.

The names are those of the report. `goal` is the share of the best peer's figure that headwaiter
sets itself as its upper limit (CPU time), or lower limit (throughput).
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, field

from benchmarks.apps import plain

BROWSER_HEADERS = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
    "Cache-Control": "max-age=0",
    "Cookie": "sessionid=3f2b7c0a9d8e4f1b6a5c4d3e2f1a0b9c; csrftoken=Zk3vQ9xT7bN1mL5p; theme=dark",
    "DNT": "1",
    "Referer": "http://localhost:8080/menu/today?table=12&guests=4",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-User": "?1",
    "Upgrade-Insecure-Requests": "1",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "X-Requested-With": "XMLHttpRequest",
}
"""With `Host`, the fifteen fields a browser sends."""


class Load(enum.Enum):
    """Who makes the requests."""

    WRK = "wrk"
    PACED = "paced"
    """Requests at fixed times whatever the server does, trivial and burning ones apart."""
    BESIDE = "beside"
    """wrk, first alone and then beside clients that idle, drip or read slowly."""


class Figure(enum.Enum):
    """The measurement by which the scenario is ranked."""

    CPU = "cpu_us"
    RPS = "rps"
    P99 = "p99_us"

    @property
    def title(self) -> str:
        return {"cpu_us": "CPU µs/request", "rps": "requests/s", "p99_us": "p99"}[self.value]


@dataclass(frozen=True)
class Scenario:
    """One kind of work, the same for every peer."""

    name: str
    title: str
    app: str
    connections: int
    answer: int | None = len(plain.GREETING)
    """How many body bytes are right; `None` where the page's size may vary."""
    piece: bytes | None = field(default=plain.GREETING, repr=False)
    """The right body is this, once or repeated; `None` where only its length, if that, is known."""
    probes: tuple[str, ...] = ()
    """Of `probes.py`: what a server must do right to be compared here."""
    path: str = "/"
    method: str = "GET"
    body_size: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pipeline: int = 1
    load: Load = Load.WRK
    stretch: float = 1.0
    """Times the seconds of a run: more where few requests fit into one."""
    hostile: tuple[str, int] | None = None
    """For `Load.BESIDE`: which clients and how many."""
    figure: Figure = Figure.CPU
    goal: float | None = None
    ideal: float | None = None
    """Requests per second that the application's waiting allows with four threads."""

    @property
    def higher_is_better(self) -> bool:
        return self.figure is Figure.RPS


PLAIN = "benchmarks.apps.plain:"
MIB = plain.MIB

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("hello-c1", "13 bytes, one connection", PLAIN + "hello", 1, goal=0.90),
        Scenario("hello-c64", "13 bytes, 64 connections", PLAIN + "hello", 64, goal=0.90),
        Scenario("hello-c256", "13 bytes, 256 connections", PLAIN + "hello", 256, goal=0.90),
        Scenario(
            "headers",
            "a browser's 15 header fields",
            PLAIN + "hello",
            64,
            headers=BROWSER_HEADERS,
            probes=("field",),
            goal=0.80,
        ),
        Scenario(
            "json",
            "20 environ values as JSON, a browser's header fields",
            PLAIN + "dump",
            64,
            None,
            None,
            headers=BROWSER_HEADERS,
            probes=("path", "field"),
            goal=0.80,
        ),
        Scenario(
            "flask",
            "a minimal view",
            "benchmarks.apps.flask_app:app",
            64,
            probes=("path",),
            goal=0.95,
        ),
        Scenario(
            "django",
            "default middleware, one SQLite read, one template",
            "benchmarks.apps.django_app:app",
            64,
            None,
            None,
            probes=("path",),
            goal=0.97,
        ),
        Scenario(
            "close",
            "a connection per request",
            PLAIN + "hello",
            64,
            headers={"Connection": "close"},
            goal=0.95,
        ),
        Scenario(
            "pipeline16", "16 requests at a time", PLAIN + "hello", 64, pipeline=16, goal=0.40
        ),
        Scenario(
            "post10k",
            "a 10 KB upload, its length back",
            PLAIN + "count",
            64,
            len("10240"),
            b"10240",
            probes=("body", "chunked"),
            method="POST",
            body_size=10 * 1024,
            goal=0.85,
        ),
        Scenario(
            "post1m",
            "a 1 MB upload, its length back",
            PLAIN + "count",
            16,
            len(str(MIB)),
            b"%d" % MIB,
            probes=("body", "chunked"),
            method="POST",
            body_size=MIB,
            goal=0.90,
        ),
        Scenario(
            "download1m",
            "one 1 MB bytes object",
            PLAIN + "download",
            16,
            MIB,
            plain.DOWNLOAD,
            goal=0.90,
        ),
        Scenario(
            "stream1m",
            "64 chunks of 16 KB, a generator",
            PLAIN + "stream",
            16,
            MIB,
            plain.CHUNK,
            goal=0.90,
        ),
        Scenario(
            "file16m",
            "16 MB through `wsgi.file_wrapper`",
            PLAIN + "file",
            4,
            plain.FILE_SIZE,
            plain.DOWNLOAD,
            goal=1.00,
        ),
        Scenario(
            "gilfree",
            "SHA-256 of 1 MB, done without the GIL",
            PLAIN + "digest",
            16,
            64,
            hashlib.sha256(plain.DOWNLOAD).hexdigest().encode(),
            figure=Figure.RPS,
        ),
        Scenario(
            "sleep50",
            "a view that waits 50 ms",
            PLAIN + "sleep50",
            64,
            figure=Figure.RPS,
            ideal=80.0,
            stretch=2.0,
        ),
        Scenario(
            "sleep2",
            "a view that waits 2 ms, four connections",
            PLAIN + "sleep2",
            4,
            figure=Figure.RPS,
            ideal=2000.0,
        ),
        Scenario(
            "mixed",
            "200 trivial requests a second beside ten that compute for 50 ms",
            PLAIN + "mixed",
            1,
            load=Load.PACED,
            figure=Figure.P99,
            stretch=2.0,
        ),
        Scenario(
            "idle5000",
            "beside 5,000 idle keep-alive connections",
            PLAIN + "hello",
            16,
            load=Load.BESIDE,
            hostile=("idle", 5000),
        ),
        Scenario(
            "drip500",
            "beside 500 clients sending a byte a second",
            PLAIN + "hello",
            16,
            load=Load.BESIDE,
            hostile=("drip", 500),
        ),
        Scenario(
            "slowread100",
            "beside 100 clients reading 10 MB slowly",
            PLAIN + "hostage",
            16,
            load=Load.BESIDE,
            hostile=("slowread", 100),
        ),
    )
}

QUICK = ("hello-c1", "hello-c64", "headers", "flask", "post10k", "stream1m", "sleep2")
"""The scenarios of `--quick`."""

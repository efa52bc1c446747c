"""The adjustments table: every setting once, with its kind, default, bounds and help.

Keyword arguments of ``serve`` and ``create_server``, flags of the command line, ``HEADWAITER_*``
environment variables, the TOML file and ``docs/adjustments.md`` all come from these rows; tests
compare the typed keywords and the page with them. Names and defaults are those of Waitress 3.0
where Waitress has the adjustment. ``docs/waitress.md`` lists the rows whose ``waitress`` field is
not ``"same"``.

This file has only data: casts are in ``casts.py``, the priority of sources in ``sources.py``, rules
between adjustments in ``adjustments.py``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

from headwaiter._settings import casts as kinds

ENVIRONMENT_PREFIX = "HEADWAITER_"
GROUPS = (
    "Listening",
    "Identity",
    "Threads",
    "Processes",
    "Development",
    "Proxies",
    "Limits",
    "Deadlines",
    "Behaviour",
    "Observing",
    "Unused",
)

LARGEST = 2**63 - 1
LONGEST = 10 * 365 * 86400


class Adjustment(NamedTuple):
    """One row.

    ``default`` is a value that was cast already. It is ``None`` if it depends on the machine; then
    ``default_words`` says how it is found. ``off`` is the value that means "no limit".
    ``keyword_only`` rows cannot be written as text. ``engine`` rows go to the extension.
    """

    name: str
    kind: kinds.Kind
    default: Any
    group: str
    help: str
    minimum: float = 0
    maximum: float = LARGEST
    default_words: str = ""
    off: float | None = None
    keyword_only: bool = False
    engine: bool = True
    waitress: str = "same"  # or "differs" (default or meaning), or "absent"
    aliases: tuple[str, ...] = ()
    """Other flags of the row, the short one first."""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def flags(self) -> tuple[str, ...]:
        """Every flag that sets the row, the short one first."""
        return (*self.aliases, self.flag)

    @property
    def variable(self) -> str:
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def is_boolean(self) -> bool:
        return self.kind is kinds.BOOLEAN

    def cast(self, value: Any) -> Any:
        """Cast ``value``.

        Raises:
            ValueError: The value is wrong; the message names the row.
            TypeError: The type is wrong; the message names the row.
        """
        try:
            result = self.kind.cast(value)
        except (ValueError, TypeError, AttributeError) as error:
            wrong = TypeError if isinstance(error, (TypeError, AttributeError)) else ValueError
            hint = f"; {self.kind.hint}" if self.kind.hint and isinstance(value, str) else ""
            raise wrong(f"{self.name}: expected {self.kind.noun}, got {value!r}{hint}") from None
        if self.is_boolean and kinds.is_unclear_boolean(value):
            warnings.warn(f"{self.name}: {value!r} is taken as false", UserWarning, stacklevel=2)
        if isinstance(result, (int, float)) and not self.minimum <= result <= self.maximum:
            wanted = f"{self.shown(self.minimum)} to {self.shown(self.maximum)}"
            expected = f"{self.kind.noun}, from {wanted}"
            raise ValueError(f"{self.name}: expected {expected}, got {value!r}")
        return result

    def default_in_words(self) -> str:
        if self.off is not None and self.default == self.off:
            return "off"
        return self.default_words or self.shown(self.default) or "empty"

    def shown(self, value: Any) -> str:
        """``value`` as a user writes it for this row."""
        if value is None:
            return "none"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, (list, set)):
            return " ".join(map(str, sorted(value) if isinstance(value, set) else value))
        return self.kind.shown(value)


def _row(
    name: str, kind: kinds.Kind, default: Any, group: str, text: str, **more: Any
) -> Adjustment:
    return Adjustment(name, kind, default, group, " ".join(text.split()), **more)


ADJUSTMENTS: tuple[Adjustment, ...] = (
    _row("host", kinds.TEXT, "0.0.0.0", "Listening", """
        Host name or address to listen on; `*` is every address of both families. Not together with
        `listen`, `unix_socket` or `sockets`.""", engine=False),
    _row("port", kinds.INTEGER, 8080, "Listening", """
        TCP port; 0 lets the system choose one, which the start banner names. Not together with
        `listen`, `unix_socket` or `sockets`. The command line takes the variable `PORT` if nothing
        else names a port or another place to listen.""", maximum=65535, engine=False),
    _row("listen", kinds.LISTEN, ["0.0.0.0:8080"], "Listening", """
        One or more addresses: `8080` or `:8080` (a port of every IPv4 address),
        `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, `*:8080` (both families), `unix:/run/x`
        (a Unix socket), `fd://3` (an inherited socket). A name means each of its addresses that
        this machine has: `localhost` works without IPv6. A host without a port: 8080. The flag may
        be repeated.""", engine=False, waitress="differs", aliases=("-b", "--bind")),
    _row("ipv4", kinds.BOOLEAN, True, "Listening", """
        Whether names and `*` include IPv4 addresses.""", engine=False, waitress="differs"),
    _row("ipv6", kinds.BOOLEAN, True, "Listening", """
        Whether names and `*` include IPv6 addresses.""", engine=False, waitress="differs"),
    _row("unix_socket", kinds.OPTIONAL_PATH, None, "Listening", """
        Path of a Unix socket to listen on instead of TCP. A stale file is replaced; a
        socket in use is not. Not on Windows.""", engine=False, waitress="differs"),
    _row("unix_socket_perms", kinds.OCTAL, 0o600, "Listening", """
        Permissions of the Unix socket, in octal digits.""", maximum=0o7777),
    _row("sockets", kinds.SOCKETS, [], "Listening", """
        Stream sockets that are already bound, all Internet or all Unix ones. The server owns them
        from then on and closes them when it drains. Not on Windows.""",
        keyword_only=True, engine=False, waitress="differs"),
    _row("backlog", kinds.INTEGER, 1024, "Listening", """
        Connections that the kernel holds until the server accepts them (`listen(2)`).""",
        minimum=1, maximum=2**31 - 1),
    _row("reuse_port", kinds.BOOLEAN, False, "Listening", """
        Give each process a socket of its own at every address (`SO_REUSEPORT`), and let other
        servers share the addresses. Drawbacks: the kernel chooses a process for each connection,
        whether that process is busy or has just died, and a change to fewer processes may lose
        connections in a backlog. Only on Linux.""", waitress="absent"),
    _row("connection_limit", kinds.INTEGER, None, "Limits", """
        Most open connections of a process. At the limit a new connection goes to another process
        with room; without one the connection that has been idle for longest is closed; if none is
        idle, accepting pauses.""", minimum=1, waitress="differs",
        default_words="three quarters of the descriptor limit, at most 65536"),

    _row("ident", kinds.FIELD_VALUE, "headwaiter", "Identity", """
        Value of the `Server` response header, unless the application sets its own; empty sends
        none.""", waitress="differs"),
    _row("server_name", kinds.HOST_NAME, "headwaiter.invalid", "Identity", """
        `SERVER_NAME` for a request that names no host.""", waitress="differs"),
    _row("url_scheme", kinds.SCHEME, "http", "Identity", """
        `wsgi.url_scheme`, unless a trusted proxy says otherwise."""),
    _row("url_prefix", kinds.URL_PREFIX, "", "Identity", """
        `SCRIPT_NAME`: the path under which a proxy mounts the application. The server removes
        this path from `PATH_INFO`."""),

    _row("threads", kinds.THREADS, 4, "Threads", """
        Worker threads: how many requests the application runs at once. Further requests
        wait in the queue, fully received. Two numbers, such as `4-64`, are bounds between
        which the server chooses by its load; `auto` is `4-64`.""",
        minimum=1, maximum=kinds.MOST_THREADS, waitress="differs", aliases=("-t",)),
    _row("channel_request_lookahead", kinds.INTEGER, 0, "Threads", """
        Pipelined requests of one connection that are read ahead while its first one runs.
        The server notices a client that leaves even at 0.""", waitress="differs"),

    _row("processes", kinds.PROCESSES, 1, "Processes", """
        Processes that serve, behind one parent that starts and replaces them;
        [processes.md](processes.md) describes them. `auto` is as many as this process may use
        cores. The command line takes the variable `WEB_CONCURRENCY` if nothing else says how
        many.""", minimum=1, maximum=kinds.MOST_PROCESSES, engine=False, waitress="absent",
        aliases=("-w", "--workers")),
    _row("drain_delay", kinds.SECONDS, 0.0, "Processes", """
        How long the server goes on serving after SIGTERM while `health_path` and `/ready` answer
        503, so that load balancers notice.""", maximum=LONGEST, engine=False, waitress="absent"),
    _row("max_requests", kinds.INTEGER, 0, "Processes", """
        A process is replaced after this number of requests.""", off=0, waitress="absent"),
    _row("max_requests_jitter", kinds.INTEGER, 0, "Processes", """
        Each process adds a random number up to this to its `max_requests`, so that they are not
        all replaced at once.""", engine=False, waitress="absent"),
    _row("max_rss", kinds.BYTES, 0, "Processes", """
        A process that has more memory than this (its resident set) is replaced.""",
        off=0, waitress="absent"),
    _row("max_lifetime", kinds.SECONDS, 0.0, "Processes", """
        A process is replaced when it has served for this long.""",
        maximum=LONGEST, off=0, engine=False, waitress="absent"),
    _row("preload", kinds.BOOLEAN, False, "Processes", """
        Load the application once, in a template process that forks those that serve: they share
        its memory. Only on Linux; [processes.md](processes.md#preload) says what an application
        must do for it.""", engine=False, waitress="absent"),
    _row("pid_file", kinds.OPTIONAL_PATH, None, "Processes", """
        A file with the process id of the server (of the parent, if there is one). A stale file is
        replaced; a file that names a living process is an error.""",
        engine=False, waitress="absent", aliases=("-p", "--pid")),
    _row("control", kinds.OPTIONAL_PATH, None, "Processes", """
        Path of a Unix socket for `headwaiter ctl`. Only its owner may connect (mode 0600).""",
        engine=False, waitress="absent"),

    _row("user", kinds.USER, None, "Processes", """
        The user that the server, started as root, becomes when it has bound its addresses and
        before it loads the application: [processes.md](processes.md#user-and-group). Only on the
        command line, and not on Windows.""", engine=False, waitress="absent"),
    _row("group", kinds.GROUP, None, "Processes", """
        The group in place of the user's own one.""", engine=False, waitress="absent"),
    _row("umask", kinds.OCTAL, None, "Processes", """
        Which permissions files that the server and the application make do not get, in octal
        digits. Only on the command line.""", maximum=0o777, engine=False, waitress="absent",
        default_words="that of whoever starts the server"),

    _row("dev", kinds.BOOLEAN, False, "Development", """
        For development: `reload`, `threads=auto`, `expose_tracebacks`, and a short access log on
        standard output, in colour if that is a terminal. A setting that you give yourself wins
        over `dev`; [development.md](development.md) says more. On Windows without `reload`.""",
        engine=False, waitress="absent"),
    _row("reload", kinds.BOOLEAN, False, "Development", """
        Load the application anew when a file changes. If it cannot be loaded, a page shows its
        traceback. For development only.""", engine=False, waitress="absent"),
    _row("reload_include", kinds.PATTERNS, [], "Development", """
        Files that `reload` watches besides Python, templates, `.env` and configuration: patterns
        such as `*.js` for a name, or `data/*.json` for a path below a watched directory. The flag
        may be repeated.""", engine=False, waitress="absent"),
    _row("reload_exclude", kinds.PATTERNS, [], "Development", """
        Files and directories that `reload` does not watch, besides those that
        [development.md](development.md) lists; an exclusion wins. The flag may be repeated.""",
        engine=False, waitress="absent"),

    _row("trusted_proxy", kinds.PROXIES, None, "Proxies", """
        Peers whose proxy headers are trusted: an address, a network such as `10.0.0.0/8`,
        `unix` for the peers of a Unix socket, several of these separated by commas, or `*`
        for everyone. Alone it changes the scheme and its port only: the client's address needs
        `trusted_proxy_headers`.""",
        waitress="differs"),
    _row("trusted_proxy_count", kinds.INTEGER, 1, "Proxies", """
        How many proxies are in the chain: that many entries, counted from the last, are
        trusted. Needs `trusted_proxy`.""", minimum=1, maximum=65535),
    _row("trusted_proxy_headers", kinds.WORDS, set(), "Proxies", """
        Headers that the proxy sets: any of `x-forwarded-for`, `x-forwarded-host`,
        `x-forwarded-proto`, `x-forwarded-port`, `x-forwarded-by`, or `forwarded` alone. Needs
        `trusted_proxy`. Name each header that the proxy sets, and no other: clients send what they
        like.""", default_words="`x-forwarded-proto`, if `trusted_proxy` is set"),
    _row("log_untrusted_proxy_headers", kinds.BOOLEAN, False, "Proxies", """
        Log each proxy header that was removed."""),
    _row("clear_untrusted_proxy_headers", kinds.BOOLEAN, True, "Proxies", """
        Remove the proxy headers that are not trusted, so that the application cannot take them
        for true."""),

    _row("max_request_header_size", kinds.BYTES, 262144, "Limits", """
        Largest request head; a larger one gets 431.""", minimum=1),
    # Browsers send 15 to 25 fields and proxies add a few; gunicorn stops at 100.
    _row("max_request_header_fields", kinds.INTEGER, 512, "Limits", """
        Most header fields of a request; with more it gets 431.""", minimum=1, waitress="absent"),
    _row("max_request_body_size", kinds.BYTES, 1073741824, "Limits", """
        Largest request body; a larger one gets 413."""),
    _row("inbuf_overflow", kinds.BYTES, 524288, "Limits", """
        A request body larger than this is kept in a temporary file, unless `spool_memory` has room
        for it."""),
    _row("inbuf_total", kinds.BYTES, None, "Limits", """
        Most memory for all requests together, besides 16 KiB each: heads, and bodies up to
        `inbuf_overflow`. At the limit bodies go to temporary files; a larger head gets
        503.""",
        waitress="absent",
        default_words="an eighth of the memory that the process may use, divided by `processes`"),
    _row("outbuf_overflow", kinds.BYTES, 1048576, "Limits", """
        A streamed reply with more unsent bytes than this is kept in a temporary file."""),
    _row("outbuf_total", kinds.BYTES, None, "Limits", """
        Most unsent bytes in memory, of all replies together. Beyond it replies go to the
        temporary file, also those that the application returns as a whole. An object that
        is sent to several clients counts once per client.""", waitress="absent",
        default_words="an eighth of the memory that the process may have, divided by `processes`,"
        " at least 64MiB"),
    _row("outbuf_high_watermark", kinds.BYTES, 1073741824, "Limits", """
        Unsent bytes of one connection above which a worker waits for its client.""",
        waitress="differs"),
    _row("spool_dir", kinds.OPTIONAL_PATH, None, "Limits", """
        Directory of the temporary files. If the default is missing or read-only, the
        server starts anyway. Then, as at `spool_limit`, uploads that need a file get 503, and
        workers wait for slow clients.""",
        waitress="absent",
        default_words="the system's directory for temporary files"),
    _row("spool_limit", kinds.BYTES, None, "Limits", """
        Most bytes in all temporary files together. At the limit workers wait for their
        clients, and an upload that needs a file gets 503.""", waitress="absent",
        default_words="half of what is free in `spool_dir` at start, divided by `processes`"),
    _row("spool_files", kinds.INTEGER, None, "Limits", """
        Most temporary files of request bodies; a further upload that needs a file gets
        503.""", waitress="absent",
        default_words="an eighth of the descriptor limit, at most 8192"),
    _row("spool_memory", kinds.BYTES, None, "Limits", """
        Most memory for all request bodies larger than `inbuf_overflow` together; beyond it
        they go to temporary files.""", waitress="absent",
        default_words="16MiB; 0 if `inbuf_overflow` is set, which is an exact bound then"),
    _row("queue_limit", kinds.INTEGER, 0, "Limits", """
        Most requests that wait for a worker; a further one gets 503 with `Retry-After`.""",
        off=0, waitress="absent"),

    _row("header_timeout", kinds.SECONDS, 30.0, "Deadlines", """
        How long a request head may take, from its first byte; then 408.""",
        maximum=LONGEST, off=0, waitress="absent"),
    _row("body_timeout", kinds.SECONDS, 60.0, "Deadlines", """
        How long a request body may make no progress; then 408.""",
        maximum=LONGEST, off=0, waitress="absent"),
    _row("send_timeout", kinds.SECONDS, 60.0, "Deadlines", """
        How long a client may accept no byte of its reply; then the connection is cut.""",
        maximum=LONGEST, off=0, waitress="absent"),
    _row("channel_timeout", kinds.SECONDS, 120.0, "Deadlines", """
        How long a connection may idle between requests; then it is closed. It never limits how
        long a request runs.""", maximum=LONGEST, off=0),
    _row("queue_timeout", kinds.SECONDS, 0.0, "Deadlines", """
        How long a request may wait for a worker; then 503 with `Retry-After`, and the application
        never sees it.""", maximum=LONGEST, off=0, waitress="absent"),
    _row("shutdown_timeout", kinds.SECONDS, 30.0, "Deadlines", """
        How long received requests may take to finish after a stop; the rest is cut.""",
        maximum=LONGEST, waitress="absent"),

    _row("abandoned_requests", kinds.ABANDONED, "drop-safe", "Behaviour", """
        What happens to a request in the queue whose client has left: `drop-safe` drops
        GET, HEAD, OPTIONS and TRACE and runs the others, `drop` drops all, `run` runs all.""",
        waitress="absent"),
    _row("health_path", kinds.URL_PATH, None, "Behaviour", """
        A path that the server answers itself, even while every worker is busy: 200, or 503 during
        `drain_delay`. Then the server closes idle connections and accepts none, so a check is
        refused; `/ready` of `admin` answers 503 to the end.""", waitress="absent"),
    _row("health_max_wait", kinds.SECONDS, 0.0, "Behaviour", """
        `health_path` answers 503, too, while the oldest request in the queue has waited longer
        than this many seconds.""", maximum=LONGEST, off=0, waitress="absent"),
    _row("expose_tracebacks", kinds.BOOLEAN, False, "Behaviour", """
        Put the traceback of an application error into the 500 reply. For development only."""),
    _row("log_socket_errors", kinds.BOOLEAN, True, "Behaviour", """
        Log clients that leave in the middle of an exchange."""),
    _row("stuck_after", kinds.SECONDS, 0.0, "Behaviour", """
        A request that runs longer than this counts as stuck: until it ends, another thread
        replaces its thread. No thread is ever killed.""", maximum=LONGEST, off=0,
        waitress="absent"),
    _row("stuck_replacements", kinds.INTEGER, 4, "Behaviour", """
        Most threads that replace stuck ones at once.""", minimum=1,
        maximum=kinds.MOST_THREADS, waitress="absent"),

    _row("log_level", kinds.LEVEL, None, "Observing", """
        The lowest level that the server's own loggers log.""", engine=False, waitress="absent",
        default_words="`info` on the command line; in a program as `logging` is set up there"),
    _row("log_config", kinds.LOG_CONFIG, None, "Observing", """
        How to set up Python's `logging`, before the application is loaded: a dictConfig in a
        `.json` or `.toml` file, else a file for `fileConfig` (`.ini`, `.conf`). In Python, or as a
        table of the TOML file, also the dict itself. See [logging.md](logging.md).""",
        engine=False, waitress="absent"),
    _row("access_log", kinds.ACCESS_LOG, None, "Observing", """
        Where the line of each request goes, however the request ends: a file, `-` for
        standard output, or `logger` for the Python logger `headwaiter.access`. SIGUSR1
        reopens the file, for example after it was renamed.""", waitress="absent"),
    _row("access_log_format", kinds.TEXT, "combined", "Observing", """
        `combined`, `json`, or a text with `%(NAME)s` in it; [observing.md](observing.md)
        lists the names.""", waitress="absent"),
    _row("admin", kinds.ADMIN, None, "Observing", """
        Where the server shows what it is doing: a dashboard, metrics, running requests, stacks.
        An address as for `listen`, or the path of a Unix socket, with a slash. `9090` is
        `127.0.0.1:9090`. Loopback only, unless `admin_public`.""",
        waitress="absent"),
    _row("admin_public", kinds.BOOLEAN, False, "Observing", """
        Let `admin` be any address. Whoever reaches it sees paths and addresses of clients.""",
        waitress="absent"),
    _row("server_timing", kinds.BOOLEAN, False, "Observing", """
        Send `Server-Timing` with the waits for a worker and for the GIL and the time in the
        application up to the head of the reply: the network panel of a browser shows them.""",
        waitress="absent"),

    _row("slow_request_log", kinds.SECONDS, 0.0, "Observing", """
        Log a request that runs longer than this, while it runs, with the Python stack of
        its thread; again at each doubling, and when it ends.""",
        maximum=LONGEST, off=0, waitress="absent"),

    _row("wait_profile", kinds.BOOLEAN, True, "Observing", """
        Look ten times a second where the threads are that run a request, for the advice, the
        dashboard and `/profile`; only with `admin` or a range of `threads`.""",
        engine=False, waitress="absent"),
    _row("gc_pauses", kinds.BOOLEAN, False, "Observing", """
        Measure how long Python's garbage collections stop the threads, for the advice, the
        metrics and `/status.json`. It costs each collection a microsecond.""",
        engine=False, waitress="absent"),

    _row("asyncore_loop_timeout", kinds.WHOLE_SECONDS, 1, "Unused", """
        Accepted for Waitress' sake; there is no such loop.""", engine=False, waitress="differs"),
    _row("asyncore_use_poll", kinds.BOOLEAN, False, "Unused", """
        Accepted for Waitress' sake; the best readiness interface of the system is always used.""",
        engine=False, waitress="differs"),
    _row("cleanup_interval", kinds.WHOLE_SECONDS, 30, "Unused", """
        Accepted for Waitress' sake; deadlines are kept exactly.""", engine=False,
        waitress="differs"),
    _row("recv_bytes", kinds.BYTES, 8192, "Unused", """
        Accepted for Waitress' sake; the server chooses its read sizes.""", engine=False,
        waitress="differs"),
    _row("send_bytes", kinds.BYTES, 1, "Unused", """
        Accepted for Waitress' sake, with its deprecation warning; every chunk is sent at once.""",
        engine=False, waitress="differs"),
)  # fmt: skip

BY_NAME: dict[str, Adjustment] = {row.name: row for row in ADJUSTMENTS}


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Words for the end of a message that name the nearest of ``known``; empty if none is near."""
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]!r}?" if near else ""

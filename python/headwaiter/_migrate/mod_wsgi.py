"""The options of ``mod_wsgi-express start-server``, and the directives of mod_wsgi in Apache."""

from __future__ import annotations

import os

from headwaiter._migrate.gunicorn_rules import ignore, remember
from headwaiter._migrate.mod_wsgi_options import (
    ACCESS,
    APACHE,
    DEBUGGING,
    LIMITS,
    LOGS,
    SERVICES,
    STATIC,
    SWITCHES,
    TELEMETRY,
    TLS,
)
from headwaiter._migrate.plan import Plan
from headwaiter._migrate.rows import Given, Server, lost, option, readable
from headwaiter._migrate.rules import (
    address,
    into,
    number,
    paths,
    processes_from,
    seconds,
    set_application,
    slow_requests,
    told,
    trust,
    with_prefix,
)

PROXY = "Let the proxy in front do it: nginx, Caddy, Apache."
HEADERS = {
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-by",
}
LEVELS = {"warn": "warning", "notice": "info", "emerg": "critical", "alert": "critical",
          "crit": "critical"}  # fmt: skip


def _workers(plan: Plan, given: Given) -> None:
    processes_from(plan, given, "one for each core")


def _request_timeout(plan: Plan, given: Given) -> None:
    if seconds(given.value):
        slow_requests(plan, given, seconds(given.value), "the process was restarted then")


def _sockets_timeout(plan: Plan, given: Given) -> None:
    for name in ("body_timeout", "send_timeout"):
        plan.set(name, seconds(given.value), given)


def _level(value: object) -> str:
    name = str(value).lower()
    return "debug" if name.startswith("trace") else LEVELS.get(name, name)


def _mount(plan: Plan, given: Given) -> None:
    with_prefix(plan, str(given.value), given)


def _finish(plan: Plan, given: dict[str, Given]) -> None:
    address(plan, given.get("host"), given.get("port"), ("*", "8000"))
    if "threads" not in given:
        plan.set("threads", 5, None, "mod_wsgi's default")
    if "limit_request_body" not in given:
        plan.set("max_request_body_size", 10485760, None, "mod_wsgi's default")
    _finish_application(plan, given)
    _finish_log(plan, given)
    headers, peers = readable(given, "trust_proxy_header"), readable(given, "trust_proxy")
    if headers is not None:
        _finish_proxies(plan, headers, [str(value) for value in peers.values] if peers else [])
    plan.differ("Apache's processes are gone: what its configuration did, a proxy has to do")


def _finish_application(plan: Plan, given: dict[str, Given]) -> None:
    target = plan.value("application", "")
    entry = readable(given, "entry_point")
    if entry is not None:
        target = str(entry.value)
    kind = told(given, "application_type", "script")
    name = told(given, "callable_object", "application")
    plan.drop("application")
    if not target:
        plan.need("no application", 'nothing names it; write application = "MODULE:OBJECT"')
    elif kind == "module":
        plan.set("application", f"{target}:{name}", entry)
    elif kind == "script":
        set_application(plan, entry or Given(OPTIONS[0], target, target), name)
    elif kind == "paste":
        plan.need(target, "write `use = egg:headwaiter#main` into it and start it by `pserve`")
    else:
        plan.need(f"--application-type {kind}", STATIC_TEXT)


def _finish_log(plan: Plan, given: dict[str, Given]) -> None:
    if "access_log" not in given:
        return
    folder = told(given, "log_directory", "")
    name = told(given, "access_log_name", "access_log")
    where = os.path.join(folder, name) if folder else "-"
    plan.set("access_log", where, given["access_log"])


def _finish_proxies(plan: Plan, headers: Given, peers: list[str]) -> None:
    named = {str(value).lower() for value in headers.values}
    others = sorted(named - HEADERS)
    if others:
        plan.need(headers.shown, f"{', '.join(others)}: the proxy has to send X-Forwarded-*")
    if not named & HEADERS:
        return
    trust(plan, peers or ["*"], headers)
    plan.set("trusted_proxy_headers", " ".join(sorted(named & HEADERS)), headers)


STATIC_TEXT = f"No static files. {PROXY} Or use WhiteNoise."
OPTIONS = (
    option("--application-type", "`application`", """
        A module, always: `MODULE:OBJECT`. A script `wsgi.py` is the module `wsgi`.""", remember),
    option("--entry-point", "`application`", "The same, as `MODULE:OBJECT`.", remember),
    option("--callable-object", "`application`", "The part after the colon.", remember),
    option("--application-group --process-group", "", """
        One application in the main interpreter.""", ignore),
    option("--host", "`listen`", "Every address of both families there: `*:8000`.", remember),
    option("--port", "`listen`", "8000 there, 8080 here unless it is set.", remember),
    option("--processes", "`processes`", "The same.", _workers),
    option("--threads", "`threads`", "The same; 5 there, 4 here unless it is set.",
        into("threads", number)),
    option("--max-clients", "`connection_limit`", """
        Idle and slow connections cost a few kilobytes, so the default suits nearly everybody."""),
    option("--initial-workers --minimum-spare-workers --maximum-spare-workers", "", """
        There are no Apache workers in front."""),
    option("--limit-request-body", "`max_request_body_size`", """
        The same; 10 MB there, 1 GiB here unless it is set.""",
        into("max_request_body_size", number)),
    option("--maximum-requests", "`max_requests`", "The same.", into("max_requests", number)),
    option("--restart-interval", "`max_lifetime`", "The same.", into("max_lifetime", seconds)),
    option("--shutdown-timeout --graceful-timeout --eviction-timeout", "`shutdown_timeout`", """
        One deadline for a stop and for a replacement: 30 s unless it is set.""",
        into("shutdown_timeout", seconds)),
    option("--startup-timeout --deadlock-timeout --connect-timeout", "", """
        The parent watches its processes; `docs/processes.md` has the times."""),
    option("--request-timeout", "`stuck_after`, `slow_request_log`", """
        mod_wsgi restarts the process. headwaiter kills no request: `slow_request_log` logs its
        stack, and `stuck_after` lets another thread take its place.""", _request_timeout),
    option("--interrupt-timeout", "", "No exception is raised in a thread that is stuck."),
    option("--socket-timeout --response-socket-timeout", "`body_timeout`, `send_timeout`", """
        How long a client may make no progress.""", _sockets_timeout),
    option("--queue-timeout", "`queue_timeout`", "The same, with 503; 45 s there, off here.",
        into("queue_timeout", seconds)),
    option("--header-timeout --header-max-timeout", "`header_timeout`", "30 s unless it is set.",
        into("header_timeout", seconds)),
    option("--body-timeout --body-max-timeout", "`body_timeout`", """
        How long a body may make no progress; 60 s unless it is set.""",
        into("body_timeout", seconds)),
    option("--server-backlog", "`backlog`", "The same.", into("backlog", number)),
    option("--keep-alive-timeout", "`channel_timeout`", """
        2 s there, 120 s here unless it is set.""", into("channel_timeout", seconds)),
    option("--reload-on-changes", "`reload`", "For development only.",
        lambda plan, given: plan.set("reload", True, given)),
    option("--disable-reloading", "", """
        A change of the script reloads nothing; HUP does, with several processes.""", ignore),
    option("--user", "`user`", "The same.", into("user")),
    option("--group", "`group`", "The same.", into("group")),
    option("--mount-point", "`url_prefix`", "The same.", _mount),
    option("--trust-proxy", "`trusted_proxy`", "The same.", remember, many=True),
    option("--trust-proxy-header", "`trusted_proxy_headers`", """
        `X-Forwarded-*` or `Forwarded`. Other headers of untrusted peers are removed.""",
        remember, many=True),
    option("--working-directory", "`chdir`", "The same.", into("chdir")),
    option("--python-path", "`pythonpath`", "The same.", paths, many=True),
    option("--pid-file", "`pid_file`", "The same.", into("pid_file")),
    option("--log-level", "`log_level`", "debug, info, warning, error, critical.",
        into("log_level", _level)),
    option("--access-log", "`access_log`", "A file, or `-` for standard output.", remember),
    option("--access-log-name", "`access_log`", "The path as a whole.", remember),
    option("--log-directory", "`access_log`", "The path as a whole.", remember),
    option("--access-log-format", "`access_log_format`", """
        The letters of gunicorn, with `%(h)s` for Apache's `%h`."""),
    option("--log-to-terminal", "", "Always so.", ignore),
    option("--server-metrics --server-status", "`admin`", """
        The admin endpoint: a dashboard, `/metrics`, advice."""),
    option("--slow-requests", "`slow_request_log`", "The log has the stack.",
        into("slow_request_log", seconds)),
    lost("--setenv", "Only the environment of the process: `env`. Read it by `os.environ`.",
        takes=2, many=True),
    option("--passenv", "", "Read it by `os.environ`.", many=True),
    option("--chunked-request", "", "Always so.", ignore),
    option("--enable-sendfile", "", "Always so.", ignore),
    lost("--http2", "headwaiter speaks HTTP/1.1; let the proxy speak HTTP/2 to clients."),
    lost("--compress-responses", f"No compression. {PROXY} Or use a middleware."),
    lost("--url-alias --add-handler", STATIC_TEXT, takes=2, many=True),
    lost("--error-document", f"The application makes its error pages. {PROXY}", takes=2,
        many=True),
    lost("--proxy-mount-point --proxy-url-alias --proxy-virtual-host",
        f"No proxying. {PROXY}", takes=2, many=True),
    lost(STATIC, STATIC_TEXT),
    lost(TLS, "No TLS: let a proxy such as nginx or Caddy end it, and trust the proxy."),
    lost(ACCESS, f"No access control. {PROXY} Or let the application do it."),
    lost(SERVICES, "It runs no other programs: systemd, supervisord.", takes=2, many=True),
    lost("--include-file --rewrite-rules --with-cgi --with-php5", f"No Apache. {PROXY}"),
    option(TELEMETRY, "`admin`", "The admin endpoint: a dashboard, `/metrics`, advice."),
    option(LOGS, "`log_config`", "The server's own messages go to standard error."),
    option(APACHE, "", "There is no Apache to configure.", ignore),
    option(LIMITS, "", "The defaults suit; there is nothing to set."),
    option(DEBUGGING, "", "Use `--dev`, a debugger or a profiler."),
    option("--free-threading", "", "Run a free-threaded Python; see `docs/processes.md`.", ignore),
    option("--help -h", "`--help`", "The same.", ignore),
)  # fmt: skip

DIRECTIVES = (
    option("WSGIScriptAlias", "`application`, `url_prefix`", """
        The module in place of the script; a path other than `/` is `url_prefix`."""),
    option("WSGIDaemonProcess",
        "`processes`, `threads`, `user`, `group`, `chdir`, `pythonpath`", """
        `processes=`, `threads=`, `user=`, `group=`, `home=` and `python-path=`. In place of
        `python-home=` start headwaiter from that environment. `maximum-requests=` is
        `max_requests`, `request-timeout=` see above, `display-name=` has no counterpart."""),
    option("WSGIProcessGroup WSGIApplicationGroup", "", "One application for each server."),
    option("WSGIPythonHome WSGIPythonPath", "`pythonpath`", "The environment it is installed in."),
    option("WSGIPassAuthorization", "", "`Authorization` always reaches the application."),
    option("WSGITrustedProxies WSGITrustedProxyHeaders", "`trusted_proxy`", """
        The same, with `trusted_proxy_headers`."""),
    option("WSGIScriptReloading", "`reload`", "HUP, or `reload` for development."),
    option("WSGIChunkedRequest WSGILazyInitialization WSGIRestrictEmbedded", "", "Always so."),
)  # fmt: skip

SERVER = Server(
    "mod_wsgi", ("mod_wsgi-express",), "mod_wsgi", OPTIONS, _finish, frozenset(SWITCHES.split())
)

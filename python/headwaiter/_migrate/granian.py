"""Granian's options."""

from __future__ import annotations

import re

from headwaiter._migrate.gunicorn_rules import ignore, remember
from headwaiter._migrate.plan import Plan
from headwaiter._migrate.rows import Given, Server, lost, option
from headwaiter._migrate.rules import (
    address,
    into,
    is_on,
    number,
    on,
    processes_from,
    seconds,
    times,
    told,
    words,
)

ASGI = "headwaiter serves WSGI applications only."
HTTP2 = "headwaiter speaks HTTP/1.1; let the proxy speak HTTP/2 to clients."
TLS = "headwaiter has no TLS: let a proxy such as nginx or Caddy end it, and trust the proxy."
STATIC = "No static files: let the proxy serve them, or WhiteNoise."
ATOMS = {
    "addr": "h",
    "time": "t",
    "dt_ms": "M",
    "status": "s",
    "path": "U",
    "query_string": "q",
    "method": "m",
    "protocol": "H",
}
"""What names of Granian's log format are called here."""


def _access_log_format(plan: Plan, given: Given) -> None:
    unknown = []

    def ours(found: re.Match[str]) -> str:
        if found[1] not in ATOMS:
            unknown.append(found[1])
            return "-"
        return f"%({ATOMS[found[1]]})s"

    plan.set("access_log_format", re.sub(r"%\((\w+)\)[-\d.]*[sdf]", ours, str(given.value)), given)
    if unknown:
        plan.differ(f"the access log has a - in place of {', '.join(unknown)}")


def _access_log(plan: Plan, given: Given) -> None:
    if given.value:
        plan.set("access_log", "-", given)


def _interface(plan: Plan, given: Given) -> None:
    if str(given.value) != "wsgi":
        plan.need(given.shown, ASGI)


def _level(value: object) -> str:
    return {"warn": "warning", "notset": "debug"}.get(str(value), str(value))


def _workers(plan: Plan, given: Given) -> None:
    processes_from(plan, given, "one for each core")


def _finish(plan: Plan, given: dict[str, Given]) -> None:
    if "uds" not in given:
        address(plan, given.get("host"), given.get("port"), ("127.0.0.1", "8000"))
    if "interface" not in given:
        plan.need("no --interface", f"Granian's default is RSGI, not WSGI. {ASGI}")
    if is_on(given, "factory"):
        spec = plan.value("application", "")
        if spec and not spec.endswith(")"):
            plan.set("application", f"{spec}()", given["factory"])
    if is_on(given, "metrics"):
        host = told(given, "metrics_address", "127.0.0.1")
        port = told(given, "metrics_port", "9090")
        plan.set("admin", f"{host}:{port}", given["metrics"], "/metrics there")
        if host not in ("127.0.0.1", "::1", "localhost"):
            plan.set("admin_public", True, given["metrics_address"])
    plan.differ(
        "X-Forwarded-* of peers that are not trusted is removed; if a proxy stands in front, set"
        ' trusted_proxy and trusted_proxy_headers = "x-forwarded-for x-forwarded-proto"'
    )


OPTIONS = (
    option("--host", "`listen`", "127.0.0.1 there, 0.0.0.0 here unless it is set.", remember),
    option("--port", "`listen`", "8000 there, 8080 here unless it is set.", remember),
    option("--uds", "`unix_socket`", "The same.", into("unix_socket")),
    option("--uds-permissions", "`unix_socket_perms`", "The same; 600 unless it is set.",
        into("unix_socket_perms", str)),
    option("--interface", "", "Always `wsgi`. ASGI and RSGI need another server.", _interface),
    option("--http", "", HTTP2),
    option("--ws --no-ws", "", ASGI, ignore, takes=0),
    option("--workers", "`processes`", "The same; `-w` works.", _workers),
    option("--blocking-threads", "`threads`", """
        The same for WSGI. Granian's default depends on the machine; here it is 4.""",
        into("threads", number)),
    option("--blocking-threads-idle-timeout", "`threads`", """
        `threads = "4-64"` starts and stops threads by need."""),
    option("--runtime-threads", "", """
        Each process has one thread that reads and writes; `processes` brings more."""),
    option("--runtime-blocking-threads", "", "Files are sent by the kernel."),
    option("--runtime-mode", "", "There is one."),
    option("--loop", "", ASGI),
    option("--task-impl", "", ASGI),
    option("--backlog", "`backlog`", "The same.", into("backlog", number)),
    option("--backpressure", "`queue_limit`, `connection_limit`", """
        Requests beyond `threads` wait in a queue, in memory, until `queue_limit`; off unless it is
        set."""),
    option("--http1-buffer-size", "`max_request_header_size`", """
        The size of a head: 256 KiB unless it is set.""",
        into("max_request_header_size", number)),
    option("--http1-header-read-timeout", "`header_timeout`", "Seconds instead of milliseconds.",
        into("header_timeout", times(0.001))),
    option("--http1-keep-alive --no-http1-keep-alive", "`channel_timeout`", """
        Connections always stay open, idle ones for 120 s.""", takes=0),
    option("--http1-pipeline-flush --no-http1-pipeline-flush", "", "Always so.", takes=0),
    option("--http2-adaptive-window --no-http2-adaptive-window", "", HTTP2, takes=0),
    option("""--http2-initial-connection-window-size --http2-initial-stream-window-size
        --http2-keep-alive-interval --http2-keep-alive-timeout --http2-max-concurrent-streams
        --http2-max-frame-size --http2-max-headers-size --http2-max-send-buffer-size""", "",
        HTTP2),
    option("--log --no-log", "`log_level`", "`log_level = \"critical\"` for silence.", ignore,
        takes=0),
    option("--log-level", "`log_level`", "The same.", into("log_level", _level)),
    option("--log-config", "`log_config`", """
        The same file; the loggers are `headwaiter` and `headwaiter.access`.""",
        into("log_config", say=True)),
    option("--access-log --no-access-log", "`access_log`", "`-` is standard output.", _access_log,
        takes=0),
    option("--access-log-fmt", "`access_log_format`", """
        The letters of gunicorn: `headwaiter migrate` translates.""", _access_log_format),
    lost("--ssl-certificate --ssl-keyfile --ssl-ca --ssl-crl", TLS),
    option("--ssl-keyfile-password --ssl-protocol-min", "", TLS),
    option("--ssl-client-verify --no-ssl-client-verify", "", TLS, takes=0),
    option("--url-path-prefix", "`url_prefix`", "The same.", into("url_prefix")),
    option("--respawn-failed-workers --no-respawn-failed-workers", "", """
        A process that dies is always replaced.""", ignore, takes=0),
    option("--respawn-interval", "", "At once, then after growing pauses."),
    option("--rss-sample-interval --rss-samples", "", "`max_rss` is looked at all the time."),
    option("--workers-lifetime", "`max_lifetime`", "The same.", into("max_lifetime", seconds)),
    option("--workers-max-rss", "`max_rss`", "Bytes instead of MiB.",
        into("max_rss", times(1 << 20))),
    option("--workers-kill-timeout", "`shutdown_timeout`", "The same; 30 s unless it is set.",
        into("shutdown_timeout", seconds)),
    option("--factory --no-factory", "`--factory`", "`application = \"MODULE:create_app()\"`.",
        remember, takes=0),
    option("--working-dir", "`chdir`", "The same.", into("chdir")),
    lost("--env-files", "Use `env`, or `EnvironmentFile=` and the like.", many=True),
    option("--static-path-route", "", STATIC),
    lost("--static-path-mount", STATIC, many=True),
    option("--static-path-dir-to-file --static-path-expires", "", STATIC),
    option("--metrics --no-metrics", "`admin`", """
        The admin endpoint: a dashboard, `/metrics`, advice.""", remember, takes=0),
    option("--metrics-scrape-interval", "", "Figures are of the moment."),
    option("--metrics-address", "`admin`", "Addresses beyond this machine need `admin_public`.",
        remember),
    option("--metrics-port", "`admin`", "The same port.", remember),
    option("--reload --no-reload", "`reload`", "The same; `--dev` also shows tracebacks.",
        on("reload"), takes=0),
    option("--reload-paths", "`reload_include`", """
        The current directory and the places of the application's modules are watched."""),
    option("--reload-ignore-dirs --reload-ignore-patterns --reload-ignore-paths",
        "`reload_exclude`", "Patterns for names or paths, no regular expressions.",
        into("reload_exclude", words), many=True),
    option("--reload-tick", "", "Changes are noticed at once with `watchfiles`."),
    option("--reload-ignore-worker-failure --no-reload-ignore-worker-failure", "", """
        A page shows the traceback until the next change.""", takes=0),
    option("--process-name", "", "Processes keep their names."),
    option("--pid-file", "`pid_file`", "The same.", into("pid_file")),
    option("--version --help", "`--version`, `--help`", "The same.", ignore, takes=0),
)  # fmt: skip

SERVER = Server("Granian", ("granian",), "granian", OPTIONS, _finish)

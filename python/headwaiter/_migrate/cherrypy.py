"""cheroot's options, as flags of its command and as arguments of ``cheroot.wsgi.Server``, and the
keys of CherryPy's configuration."""

from __future__ import annotations

import re

from headwaiter._migrate.gunicorn_rules import ignore, remember
from headwaiter._migrate.plan import Plan
from headwaiter._migrate.rows import Given, Server, lost, option
from headwaiter._migrate.rules import into, listeners, number, seconds, told

TLS = "headwaiter has no TLS: let a proxy such as nginx or Caddy end it, and trust the proxy."
DEFAULT_BIND = "[::1]:8000"
DEFAULT_THREADS = 10


def _bind(plan: Plan, given: Given) -> None:
    address = str(given.value)
    if address.startswith("@"):
        plan.need(given.shown, "no abstract Unix sockets; name a path")
    elif re.search(r":\d+$", address):
        listeners(plan, [f"0.0.0.0{address}" if address.startswith(":") else address], given)
    else:
        listeners(plan, [f"unix:{address}"], given, perms="777")


def _timeout(plan: Plan, given: Given) -> None:
    for name in ("channel_timeout", "header_timeout", "body_timeout", "send_timeout"):
        plan.set(name, seconds(given.value), given)


def _queue(plan: Plan, given: Given) -> None:
    if number(given.value) > 0:
        plan.set("queue_limit", number(given.value), given)


def _finish(plan: Plan, given: dict[str, Given]) -> None:
    if "bind_addr" not in given:
        plan.set("listen", DEFAULT_BIND, None, "cheroot's default")
    least = number(told(given, "numthreads", str(DEFAULT_THREADS)))
    most = number(told(given, "max", "-1"))
    if most > least:
        plan.set("threads", f"{least}-{most}", given["max"], "threads start and stop by need")
    else:
        shown = given.get("numthreads")
        plan.set("threads", least, shown, "" if shown else "cheroot's default")
    spec = plan.value("application", "")
    if spec and ":" not in spec:
        plan.set("application", f"{spec}:application", None, "cheroot's default name")
    plan.differ(
        "X-Forwarded-* of peers that are not trusted is removed; if a proxy stands in front, set"
        ' trusted_proxy and trusted_proxy_headers = "x-forwarded-for x-forwarded-proto"'
    )


COMMAND = (
    option("bind_addr --bind", "`listen`, `unix_socket`", """
        The same forms, without abstract sockets. [::1]:8000 there, 0.0.0.0:8080 here unless it is
        set.""", _bind),
    option("--chdir", "`chdir`", "The same.", into("chdir")),
    option("server_name --server-name", "`ident`", """
        The `Server` header. cheroot uses it as `SERVER_NAME`, too, which is the host of the request
        here.""", into("ident")),
    option("numthreads --threads", "`threads`", "The same; 10 there, 4 here unless it is set.",
        remember),
    option("max --max-threads", "`threads`", "Bounds: `threads = \"10-50\"`.", remember),
    option("timeout --timeout",
        "`channel_timeout`, `header_timeout`, `body_timeout`, `send_timeout`", """
        10 s for everything there. Each phase has a deadline of its own here, and a slow client
        occupies no thread.""", _timeout),
    option("shutdown_timeout --shutdown-timeout", "`shutdown_timeout`", """
        The same; 5 s there, 30 s here unless it is set.""", into("shutdown_timeout", seconds)),
    option("request_queue_size --request-queue-size", "`backlog`", """
        The same; 5 there, 1024 here unless it is set.""", into("backlog", number)),
    option("accepted_queue_size --accepted-queue-size", "`queue_limit`", """
        Requests instead of connections; off unless it is set.""", _queue),
    option("accepted_queue_timeout --accepted-queue-timeout", "`queue_timeout`", """
        How long a request may wait for a thread; off unless it is set.""",
        into("queue_timeout", seconds)),
    option("-h --help", "`--help`", "The same.", ignore, takes=0),
)  # fmt: skip

ARGUMENTS = (
    option("wsgi_app", "`serve(app)`", "The first argument."),
    option("peercreds_enabled peercreds_resolve_enabled", "", """
        Peers of a Unix socket are not looked up."""),
    option("reuse_port", "`reuse_port`", "The same."),
    lost("ssl_adapter", TLS),
)  # fmt: skip

CHERRYPY = (
    option("server.socket_host server.socket_port server.bind_addr", "`listen`", """
        127.0.0.1:8080 there, 0.0.0.0:8080 here unless it is set."""),
    option("server.socket_file", "`unix_socket`", "The same."),
    option("server.socket_queue_size", "`backlog`", "The same."),
    option("server.socket_timeout",
        "`channel_timeout`, `header_timeout`, `body_timeout`, `send_timeout`", """
        One for each phase."""),
    option("server.accepted_queue_size", "`queue_limit`", "Requests instead of connections."),
    option("server.accepted_queue_timeout", "`queue_timeout`", """
        How long a request may wait for a thread."""),
    option("server.shutdown_timeout", "`shutdown_timeout`", "The same."),
    option("server.protocol_version", "", "Always HTTP/1.1."),
    option("server.thread_pool server.thread_pool_max", "`threads`", """
        A number, or bounds: `threads = "10-50"`."""),
    option("server.max_request_header_size", "`max_request_header_size`", "The same."),
    option("server.max_request_body_size", "`max_request_body_size`", """
        100 MB there, 1 GiB here unless it is set. CherryPy's own limit stays in force while its
        server is configured, even if it does not run."""),
    option("server.instance", "", "`headwaiter` takes the place of the server."),
    lost("""server.ssl_context server.ssl_certificate server.ssl_certificate_chain
        server.ssl_private_key server.ssl_ciphers server.ssl_module""", TLS),
    option("server.statistics", "`admin`", "A dashboard, metrics and advice."),
    option("server.nodelay", "", "Always so."),
    option("server.wsgi_version", "", "PEP 3333."),
    option("server.peercreds server.peercreds_resolve", "", """
        Peers of a Unix socket are not looked up."""),
    option("engine.autoreload.on", "`reload`", "Turn CherryPy's own off."),
    option("tools.proxy.on", "`trusted_proxy`, `trusted_proxy_headers`", """
        The tool reads `X-Forwarded-*`, which headwaiter removes unless the proxy is trusted. With
        `trusted_proxy` the tool is not needed."""),
)  # fmt: skip

SERVER = Server("cheroot", ("cheroot",), "cherrypy", (*COMMAND, *ARGUMENTS, *CHERRYPY), _finish)

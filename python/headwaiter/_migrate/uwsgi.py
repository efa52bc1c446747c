"""uWSGI's options, by their names in files; as flags they have two hyphens in front.

``uwsgi_rules.py`` has the rules that only they need, ``uwsgi_families.py`` the names of those that
have one answer together.
"""

from __future__ import annotations

from headwaiter._migrate import uwsgi_families as family
from headwaiter._migrate import uwsgi_rules as its
from headwaiter._migrate.gunicorn_rules import ignore, remember
from headwaiter._migrate.rows import Option, Rule, Server
from headwaiter._migrate.rules import (
    environment,
    into,
    number,
    octal,
    on,
    paths,
    seconds,
    times,
)


def _spelled(names: str) -> list[str]:
    return [f"-{name}" if len(name) == 1 else f"--{name}" for name in names.split()]


def _row(names: str, ours: str, text: str, rule: Rule | None = None, **more: bool) -> Option:
    plain = [name for name in names.split() if len(name) > 1]
    return Option((*plain, *_spelled(names)), ours, " ".join(text.split()), rule, **more)


def _lost(names: str, text: str, ours: str = "") -> Option:
    return _row(names, ours, text, loss=True)


GREENLETS = """
    Requests run on threads: `threads = "4-64"` suits those that wait. gevent's monkey patching has
    to go; thousands of long-lived streams do not fit."""
MODULE_UWSGI = "The module `uwsgi` does not exist here, so code that imports it fails."
PROXY = "Let the proxy in front do it: nginx, Caddy, HAProxy."
MANAGER = "Let the service manager do it: systemd, supervisord, a container."

OPTIONS = (
    _row("http-socket http11-socket", "`listen`, `unix_socket`", """
        `http-socket = :8080` is `listen = "0.0.0.0:8080"`. Connections stay open, and chunked
        bodies and replies work without further options.""", its.http, many=True),
    _row("http httprouter", "`listen`", """
        There is no router process in front: the server accepts by itself, and slow clients occupy
        no thread.""", its.http, many=True),
    _row("socket uwsgi-socket s", "`listen`, `unix_socket`", """
        headwaiter speaks HTTP only. In nginx write `proxy_pass` in place of `uwsgi_pass`; the
        addresses may stay.""", remember, many=True),
    _row("shared-socket undeferred-shared-socket", "`listen`, `fd://N`", """
        `listen` binds before `user` and `group` apply.""", remember, many=True),
    _row("protocol socket-protocol", "", "HTTP only.", remember),
    _lost(family.PROTOCOLS, "HTTP only: write `proxy_pass` in the proxy."),
    _row("processes workers p", "`processes`", """
        The same; `%k` becomes `auto`. `WEB_CONCURRENCY` works, too.""", its.processes),
    _row("threads", "`threads`", "The same. The default is 1 there and 4 here.",
        into("threads", number)),
    _row("enable-threads T", "", "Threads of the application always run."),
    _row("master M", "", "There is a parent whenever there are several processes."),
    _row("need-app", "", "Without an application the server does not start."),
    _row("vacuum", "", "Sockets, pid file and temporary files are always removed."),
    _row("die-on-term", "", """
        TERM finishes the received requests and ends. It never reloads."""),
    _row("strict", "", "Unknown names are always errors."),
    _row("single-interpreter i", "", "There is one interpreter in each process."),
    _row("no-default-app", "", "There is one application."),
    _row("lazy lazy-apps", "`preload`", """
        Each process loads the application for itself, as with `lazy-apps`. uWSGI without it loads
        once and forks: that is `preload = true`.""", ignore),
    _row("harakiri t", "`stuck_after`, `slow_request_log`", """
        uWSGI kills the process, with every request in it. headwaiter kills no request:
        `slow_request_log` logs its stack, and `stuck_after` lets another thread take its
        place.""", its.harakiri),
    _row("harakiri-verbose", "`slow_request_log`", "The log always has the stack."),
    _row("max-requests R", "`max_requests`", "The same.", into("max_requests", number)),
    _row("max-requests-delta", "`max_requests_jitter`", """
        A random number instead of one that depends on the process.""",
        into("max_requests_jitter", number)),
    _row("min-worker-lifetime", "", "A process that dies early is started again after a pause."),
    _row("max-worker-lifetime", "`max_lifetime`", "The same.", into("max_lifetime", seconds)),
    _row("max-worker-lifetime-delta", "", "Processes are replaced one at a time."),
    _row("reload-on-rss evil-reload-on-rss", "`max_rss`", """
        Bytes instead of megabytes. The replacement is ready before the old process leaves.""",
        into("max_rss", times(1 << 20))),
    _row("reload-on-as evil-reload-on-as", "`max_rss`", "Measured as resident memory."),
    _row("worker-reload-mercy reload-mercy", "`shutdown_timeout`", """
        How long requests may take to finish after a stop or a reload: 60 s there, 30 s here.""",
        into("shutdown_timeout", seconds)),
    _row("listen l", "`backlog`", """
        uWSGI's `listen` is the length of the backlog; `listen` here is an address.""",
        into("backlog", number, say=True)),
    _row("buffer-size b", "`max_request_header_size`", """
        4 KiB there, 256 KiB here.""", its.larger_head),
    _row("limit-post", "`max_request_body_size`", "The same; 1 GiB unless it is set.",
        into("max_request_body_size", number)),
    _row("post-buffering post-buffering-bufsize", "`inbuf_overflow`", """
        Bodies are always received whole before a thread takes the request; large ones go to
        disk."""),
    _row("http-timeout http-headers-timeout",
        "`header_timeout`, `body_timeout`, `send_timeout`", """
        Each phase has a deadline of its own; `http-timeout` there is one for all of them.""",
        its.http_timeout),
    _row("""socket-timeout z so-send-timeout so-write-timeout socket-send-timeout
        socket-write-timeout""", "`send_timeout`", """
        How long a client may accept no byte: 4 s there, 60 s here.""",
        into("send_timeout", seconds)),
    _row("http-keepalive", "`channel_timeout`", """
        Connections always stay open; idle ones for 120 s.""", its.keepalive),
    _row("chmod-socket chmod C", "`unix_socket_perms`", """
        Octal digits as text. 600 unless set: the proxy needs more if it runs as another user.""",
        its.permissions),
    _lost("chown-socket", """
        The socket belongs to the user and group of the server: `user`, `group`, or a group of
        both for the directory."""),
    _lost("abstract-socket a", "No abstract Unix sockets; name a path."),
    _row("uid immediate-uid", "`user`", "The same.", into("user")),
    _row("gid immediate-gid", "`group`", "The same.", into("group")),
    _row("add-gid no-initgroups", "`user`", "`user` sets the groups of the user."),
    _row("umask", "`umask`", "The same.", into("umask", octal)),
    _row("chdir chdir2 force-cwd", "`chdir`", "The same.", into("chdir")),
    _row("pythonpath python-path pp", "`pythonpath`", "The same.", paths, many=True),
    _row("home virtualenv venv pyhome H", "", """
        Install headwaiter into the virtual environment, and start it from there:
        `VENV/bin/headwaiter`.""", its.home),
    _row("module wsgi w", "`application`", """
        As `MODULE:OBJECT`; on the command line it needs no flag.""", its.module),
    _row("wsgi-file file", "`application`", """
        The name of the module instead of its file: `project/wsgi.py` is `project.wsgi`.""",
        remember),
    _row("callable", "`application`", "The part after the colon.", remember),
    _row("mount", "`url_prefix`", """
        One application. For several write a dispatcher, such as werkzeug's
        `DispatcherMiddleware`.""", remember, many=True),
    _row("manage-script-name", "`url_prefix`", "It is taken off `PATH_INFO`.", ignore),
    _row("ignore-script-name", "", "The proxy cannot set `SCRIPT_NAME`."),
    _row("env", "`env`", "A table in TOML; `--env NAME=VALUE`.", environment, many=True),
    _lost("envdir early-envdir unenv", "Use `env`, or `EnvironmentFile=` and the like."),
    _row("pidfile pidfile2 safe-pidfile safe-pidfile2", "`pid_file`", "The same.",
        into("pid_file")),
    _row("daemonize daemonize2 d", "", f"It stays in the foreground. {MANAGER}", its.daemonize),
    _row("logto logto2", "`access_log`, `log_config`", """
        Requests go to `access_log`, and everything else to standard error.""", its.logto),
    _row("disable-logging L", "`access_log`", """
        uWSGI logs every request unless told otherwise, and headwaiter none.""", remember),
    _row("log-format logformat", "`access_log_format`", """
        Other names: `headwaiter migrate` translates those that exist.""", its.log_format),
    _row("req-logger logger-req", "`access_log`", "A file: `access_log = \"PATH\"`.",
        its.request_logger),
    _row("logger", "`log_config`", "Handlers of Python's `logging`.", its.logger),
    _row("log-slow", "`slow_request_log`", "Seconds instead of milliseconds.",
        into("slow_request_log", times(0.001))),
    _row("log-x-forwarded-for", "`trusted_proxy`", """
        With `trusted_proxy` the access log names the client.""", its.forwarded_for),
    _row("log-reopen log-master touch-logreopen", "", "USR1 reopens the access log."),
    _row(family.LOG, "`access_log`, `log_config`", """
        The access log has every request, whatever its end. The server's own messages go to
        Python's `logging`."""),
    _row("stats stats-server", "`admin`", """
        A dashboard, metrics for Prometheus and `/status.json`; `headwaiter top` shows it.""",
        its.stats),
    _row("touch-reload touch-workers-reload touch-chain-reload", "", """
        Send HUP, or run `headwaiter ctl reload`: processes are replaced one at a time. A single
        process without a parent does not reload."""),
    _row("py-auto-reload py-autoreload python-auto-reload python-autoreload", "`reload`", """
        For development only; `--dev` also shows tracebacks.""", its.autoreload),
    _row("py-auto-reload-ignore", "`reload_exclude`", "Patterns of files."),
    _row(family.TOUCH, "", "Send a signal, or use `headwaiter ctl`."),
    _row("catch-exceptions", "`expose_tracebacks`", "For development only.",
        on("expose_tracebacks")),
    _row("reuse-port", "`reuse_port`", "The same.", on("reuse_port")),
    _row("tcp-nodelay thunder-lock", "", "Always so."),
    _row("ini", "`--config`", "A TOML file; `headwaiter migrate` makes it.", ignore, many=True),
    _lost("xml xmlconfig x yaml yml y json js j config include inherit fallback-config",
        "Translate that file, too: `headwaiter migrate FILE`."),
    _row("set set-ph set-placeholder S", "", "There are no placeholders.", ignore, many=True),
    _row("plugin plugins need-plugin need-plugins", "", "There are no plugins.", its.plugins,
        many=True),
    _row("gevent async loop ugreen", "`threads`", GREENLETS, its.greenlets),
    _row("gevent-monkey-patch gevent-early-monkey-patch gevent-wait-for-hub ugreen-stacksize",
        "`threads`", GREENLETS),
    _row("master-fifo", "`control`", "`headwaiter ctl` and signals."),
    _lost("paste ini-paste ini-paste-logged paste-logger", """
        Write `use = egg:headwaiter#main` into the PasteDeploy file and start it by `pserve`."""),
    _lost("enable-proxy-protocol http-enable-proxy-protocol", """
        The proxy tells the client's address by `X-Forwarded-For`.""", "`trusted_proxy`"),
    _row("no-orphans", "", "If the parent dies, each process finishes its requests and ends."),
    _row("cheaper cheaper-initial cheaper-step cheaper-overload cheaper-algo", "`threads`", """
        The number of processes is fixed. Threads adapt: `threads = "4-64"`."""),
    _row(family.CHEAPER, "`threads`", """
        The number of processes is fixed. systemd can start the server with the first connection
        (socket activation)."""),
    _row("py-tracebacker memory-report m", "`admin`", """
        The admin endpoint shows stacks and memory; `headwaiter top` in a terminal."""),
    _row("wsgi-disable-file-wrapper disable-sendfile", "", """
        Files in a `wsgi.file_wrapper` are sent by the kernel, without a thread."""),
    _row("max-fd", "", "`LimitNOFILE=` of the unit, `ulimit -n`."),
    _row("exit-on-reload", "", "A reload replaces processes one at a time."),
    _row("http-processes http-workers http-auto-chunked http-chunked-input http-raw-body", "", """
        There is no router process, and chunked bodies and replies always work.""", ignore),
    _lost("http-websockets http-to http-modifier1", "One server, WSGI only."),
    _lost(family.WEB, "No WebSockets. Chunked requests always work."),
    _row("import pyimport py-import python-import", "", """
        Import it in the module of the application.""", its.needs_work, many=True),
    _row("""auto-procname procname procname-master procname-prefix procname-prefix-spaced
        procname-append""", "", "Processes keep their names."),
    _row("optimize O", "", "Set `PYTHONOPTIMIZE` in the environment."),
    _lost("eval pyargv", "Write a module; `sys.argv` is that of the command."),
    _row("ignore-sigpipe ignore-write-errors disable-write-exception write-errors-tolerance"
        " write-errors-exception-only", "`log_socket_errors`", """
        A client that leaves ends its request alone. `log_socket_errors = false` does not log
        it.""", its.quiet_errors),
    _row("help usage h", "`--help`", "`--help-all` shows everything."),
    _row("version", "`--version`", "The same."),
    _row("show-config dump-options", "`--print-config`", "What differs from the defaults."),
    _row("reload stop pause suspend resume", "", "Signals, or `headwaiter ctl`."),
    _row(family.COMMANDS, "", "A tool of uWSGI's own."),
    _lost(family.APPS, "One application for each server."),
    _lost(family.STATIC, f"No static files. {PROXY} Or use WhiteNoise."),
    _lost(family.ROUTING, f"No routes and no rewriting. {PROXY} Or write a middleware."),
    _lost(f"{family.JOBS} A Q", f"""
        No jobs, timers and shared memory beside requests: use a task queue such as Celery, and
        cron or systemd timers. {MODULE_UWSGI}"""),
    _lost(family.CACHE, f"No cache: use Redis or memcached. {MODULE_UWSGI}"),
    _lost(family.DAEMONS, f"It starts no other programs. {MANAGER}"),
    _lost(family.HOOKS, f"It runs no commands around the start. {MANAGER}"),
    _lost(family.TLS, "No TLS: let a proxy such as nginx or Caddy end it, and trust the proxy."),
    _lost(family.ROUTER, f"No routers and no proxying. {PROXY}"),
    _lost(family.EMPEROR, f"One server for each command. {MANAGER}"),
    _lost(family.LEGION, f"No cluster and no subscriptions. {PROXY}"),
    _lost(family.JAIL, f"No jails. {MANAGER}"),
    _row(family.WAIT, "", f"It waits for nothing. {MANAGER}"),
    _row(family.METRICS, "`admin`", "Metrics for Prometheus; alarms belong to what reads them."),
    _lost(family.LOGIC, "A file has no conditions and loops: write one for each case."),
    _row(family.PLUGINS, "", "There are no plugins."),
    _row(f"{family.EXCEPTIONS} r", "", """
        An exception costs one reply, a stuck request one thread, and a process that dies is
        replaced."""),
    _row(family.SOCKETS, "", "The defaults suit; there is nothing to set."),
    _row(family.LIMITS, "", f"{MANAGER} `max_rss` replaces a process that has grown."),
    _row(f"{family.PYTHON} J", "", """
        It runs the Python that it is installed in, with one application."""),
    _row(f"{family.INTERNALS} c v", "", "Particular to uWSGI."),
)  # fmt: skip

SERVER = Server(
    "uWSGI",
    ("uwsgi", "pyuwsgi", "uwsgi-core"),
    "uwsgi",
    OPTIONS,
    its.finish,
    frozenset(_spelled(f"{family.SWITCHES} M T L i r m c a")),
    frozenset(_spelled(f"{family.OPTIONAL} C")),
)

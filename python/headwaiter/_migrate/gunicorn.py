"""gunicorn's options: names of ``gunicorn.conf.py`` and flags. ``gunicorn_rules.py`` has the rules
that only they need."""

from __future__ import annotations

from headwaiter._migrate import gunicorn_rules as its
from headwaiter._migrate.rows import Server, lost, option
from headwaiter._migrate.rules import (
    environment,
    into,
    lost_if_on,
    number,
    octal,
    on,
    paths,
    seconds,
    words,
)

TLS = "headwaiter has no TLS: let a proxy such as nginx or Caddy end it, and trust the proxy."
PROXY_PROTOCOL = "The proxy tells the client's address by `X-Forwarded-For`."
HTTP2 = "headwaiter speaks HTTP/1.1; let the proxy speak HTTP/2 to clients."
ASGI = "headwaiter serves WSGI applications only."
DIRTY = "headwaiter has no second pool. Give long jobs to a task queue such as Celery."
STRICT = "The parser is strict and has no switch for it; such a request gets 400."
LOGGING = (
    "The server logs by Python's `logging`; a file for `dictConfig` or `fileConfig` sets it up."
)

OPTIONS = (
    option("config -c --config", "`--config`", """
        A TOML file instead of a Python file; `headwaiter migrate` makes it. headwaiter finds
        `headwaiter.toml` in the current directory.""", its.ignore),
    option("wsgi_app", "`application`", """
        The application, also as the argument of the command.""", into("application")),
    option("bind -b --bind", "`listen`, `unix_socket`", """
        The same forms. Without it gunicorn listens on 127.0.0.1:8000, and headwaiter on
        0.0.0.0:8080. A Unix socket of gunicorn lets everybody connect, and one of headwaiter only
        its owner: see `unix_socket_perms`.""", its.bind, many=True),
    option("backlog --backlog", "`backlog`", "The same.", into("backlog", number)),
    option("workers -w --workers", "`processes`", """
        Processes with threads. Slow clients do not occupy them, so there is no need for two to
        four for each core: `auto` is one for each core. `WEB_CONCURRENCY` works, too.""",
        its.workers),
    option("worker_class -k --worker-class", "`threads`", """
        Every process has threads, as with `gthread`, and reads whole requests before a thread
        takes them. A `sync` worker is a process with `threads = 1`. Greenlets of gevent and
        eventlet become threads: `threads = "4-64"`. An application for an ASGI worker
        (`asgi`, `uvicorn.workers.UvicornWorker`, tornado) needs an ASGI server.""",
        its.worker_class),
    option("threads --threads", "`threads`", """
        Threads of each process. The default is 1 there and 4 here.""", into("threads", number)),
    option("worker_connections --worker-connections", "`connection_limit`", """
        Idle and slow connections cost a few kilobytes here, so the default suits nearly
        everybody."""),
    option("max_requests --max-requests", "`max_requests`", """
        The same; the replacement is ready before the old process leaves.""",
        into("max_requests", number)),
    option("max_requests_jitter --max-requests-jitter", "`max_requests_jitter`", "The same.",
        into("max_requests_jitter", number)),
    option("timeout -t --timeout", "`stuck_after`, `slow_request_log`", """
        gunicorn kills a worker that is silent for this long, with every request in it. headwaiter
        kills no request: `slow_request_log` logs its stack, and `stuck_after` lets another thread
        take its place. A deadline for slow clients is `header_timeout`, `body_timeout` and
        `send_timeout`. With `gthread` and gevent `timeout` limits no request, so there is nothing
        to set.""", its.remember),
    option("graceful_timeout --graceful-timeout", "`shutdown_timeout`", """
        The same.""", into("shutdown_timeout", seconds)),
    option("keepalive --keep-alive", "`channel_timeout`", """
        How long an idle connection stays open: 2 s there, 120 s here, because idle connections
        cost almost nothing. Keep it longer than the proxy keeps its connections, or the proxy
        reports resets. `sync` workers close every connection.""",
        into("channel_timeout", seconds)),
    option("limit_request_line --limit-request-line", "`max_request_header_size`", """
        One limit for the whole head, 256 KiB.""", its.larger_head),
    option("limit_request_fields --limit-request-fields", "`max_request_header_fields`", """
        The same; the default is 100 there and 512 here.""",
        into("max_request_header_fields", number)),
    option("limit_request_field_size --limit-request-field_size", "`max_request_header_size`", """
        One limit for the whole head, 256 KiB.""", its.larger_head),
    option("reload --reload", "`reload`", """
        The same; `--dev` also shows tracebacks. For development only. In a unit file
        `ExecReload=` with HUP is what reloads, see below.""", on("reload")),
    option("reload_engine --reload-engine", "", "The best that is there is used."),
    option("reload_extra_files --reload-extra-file", "`reload_include`", """
        Patterns for names (`*.yml`), or for paths below a watched directory.""",
        into("reload_include", words), many=True),
    option("spew --spew", "", "Use a debugger."),
    option("check_config --check-config", "`--check-config`", "The same.", its.ignore),
    option("print_config --print-config", "`--print-config`", """
        Only what differs from the defaults, as TOML.""", its.ignore),
    option("preload_app --preload", "`preload`", """
        The same idea, in a template process that forks the others; on Linux only. A new process
        after HUP loads the new code.""", on("preload", say=False)),
    option("sendfile --no-sendfile", "", "Files in a `wsgi.file_wrapper` are sent by the kernel."),
    option("reuse_port --reuse-port", "`reuse_port`", """
        The same. Without it all processes share one socket, and the connection goes to the one
        that can serve it soonest.""", on("reuse_port")),
    option("chdir --chdir", "`chdir`", "The same.", into("chdir")),
    option("daemon -D --daemon", "", """
        The service manager keeps it in the background: systemd, supervisord, a container.""",
        lost_if_on),
    option("raw_env -e --env", "`env`", "A table in TOML; `--env NAME=VALUE`.", environment,
        many=True),
    option("pidfile -p --pid", "`pid_file`", "The same; `-p` works.", into("pid_file")),
    option("worker_tmp_dir --worker-tmp-dir", "", """
        There is no file for heartbeats. Temporary files are in `spool_dir`."""),
    option("user -u --user", "`user`", "The same; groups are set, too.", into("user")),
    option("group -g --group", "`group`", "The same.", into("group")),
    option("umask -m --umask", "`umask`", """
        The same. Unix sockets have `unix_socket_perms`.""", into("umask", octal)),
    option("initgroups --initgroups", "", "`user` sets the groups of the user."),
    option("tmp_upload_dir", "`spool_dir`", "The same.", into("spool_dir")),
    option("secure_scheme_headers", "`trusted_proxy_headers`", """
        `X-Forwarded-Proto` only. Other headers (`X-Forwarded-Ssl`) do not change the scheme: let
        the proxy send `X-Forwarded-Proto`.""", its.scheme_headers),
    option("forwarded_allow_ips --forwarded-allow-ips", "`trusted_proxy`", """
        gunicorn trusts 127.0.0.1, ::1 and every Unix socket unless told otherwise; headwaiter
        trusts nobody. gunicorn passes `X-Forwarded-*` of everybody to the application; headwaiter
        removes what is not trusted. `FORWARDED_ALLOW_IPS` has no effect.""", its.remember),
    option("accesslog --access-logfile", "`access_log`", "The same; `-` is standard output.",
        into("access_log")),
    lost("disable_redirect_access_to_syslog --disable-redirect-access-to-syslog", LOGGING),
    option("access_log_format --access-logformat", "`access_log_format`", """
        The same letters. `%({NAME}o)s` and `%({NAME}e)s` do not exist; `%(p)s` has no angle
        brackets, and `%(t)s` is in UTC.""", its.access_log_format),
    option("errorlog --error-logfile --log-file", "`log_config`", """
        The server logs to standard error, where systemd and containers expect it. For a file set
        up a handler.""", its.errorlog),
    option("loglevel --log-level", "`log_level`", "The same.", into("log_level")),
    option("capture_output --capture-output", "", """
        Standard output and error stay as they are."""),
    lost("logger_class --logger-class", LOGGING),
    option("logconfig --log-config", "`log_config`", """
        The same file; the loggers are `headwaiter`, `headwaiter.queue` and, with
        `access_log = "logger"`, `headwaiter.access`.""", into("log_config", say=True)),
    lost("logconfig_dict", "Write it into a JSON file and name it in `log_config`."),
    option("logconfig_json --log-config-json", "`log_config`", """
        The same file; the loggers have other names: `headwaiter`, `headwaiter.access`.""",
        into("log_config", say=True)),
    option("syslog_addr --log-syslog-to", "`log_config`", LOGGING),
    lost("syslog --log-syslog", LOGGING),
    option("syslog_prefix --log-syslog-prefix", "`log_config`", LOGGING),
    option("syslog_facility --log-syslog-facility", "`log_config`", LOGGING),
    option("enable_stdio_inheritance -R --enable-stdio-inheritance", "", """
        Standard streams stay as they are."""),
    lost("statsd_host --statsd-host", """
        Metrics are for Prometheus, at `admin`; a StatsD bridge can read them there."""),
    option("dogstatsd_tags --dogstatsd-tags", "`admin`", "Metrics are for Prometheus."),
    option("statsd_prefix --statsd-prefix", "`admin`", "Metrics are for Prometheus."),
    option("enable_backlog_metric --enable-backlog-metric", "`admin`", """
        The metrics have the queue, its oldest wait and the backlog."""),
    option("proc_name -n --name", "", "Processes keep their names."),
    option("default_proc_name", "", "Processes keep their names."),
    option("pythonpath --pythonpath", "`pythonpath`", "The same; a list in TOML.", paths),
    lost("paste --paste --paster", """
        Write `use = egg:headwaiter#main` into the file and start it by `pserve`."""),
    lost("raw_paste_global_conf --paste-global", "Start the file by `pserve`."),
    lost("on_starting", "Run it before the start: `ExecStartPre=` of the unit, the entry point."),
    lost("on_reload", "Run it where HUP is sent from: `ExecReload=` of the unit."),
    lost("when_ready", "systemd gets READY=1 by itself (`Type=notify`)."),
    lost("pre_fork", "Nothing of the application runs in the parent. See post_fork."),
    lost("post_fork", """
        Every process loads the application anew: put the code beside it, at the top level. With
        `preload` register it by `os.register_at_fork(after_in_child=...)`."""),
    lost("post_worker_init", "Put it at the end of the module of the application."),
    lost("worker_int", "Use a handler of `atexit`, or of the signal."),
    lost("worker_abort", """
        No process is killed because of a slow request; see `slow_request_log`."""),
    lost("pre_exec", "`headwaiter ctl upgrade` tries the new version first."),
    lost("pre_request", "Write it as a WSGI middleware."),
    lost("post_request", "Write it as a WSGI middleware, or read the access log."),
    lost("child_exit", """
        The log names the end of each process, and `admin` adds up its metrics. For a library with
        files of its own for each process (prometheus_client), use `atexit`."""),
    lost("worker_exit", "Use a handler of `atexit`."),
    lost("nworkers_changed", "The log and `admin` name the number."),
    lost("on_exit", "Run it after the end: `ExecStopPost=` of the unit."),
    lost("ssl_context", TLS),
    lost("proxy_protocol --proxy-protocol", PROXY_PROTOCOL),
    option("proxy_allow_ips --proxy-allow-from", "`trusted_proxy`", PROXY_PROTOCOL),
    option("protocol --protocol", "", """
        HTTP only. In nginx write `proxy_pass` in place of `uwsgi_pass` or `fastcgi_pass`.""",
        its.protocol),
    option("uwsgi_allow_ips --uwsgi-allow-from", "", "There is no uwsgi protocol."),
    lost("keyfile --keyfile", TLS),
    lost("certfile --certfile", TLS),
    option("ssl_version --ssl-version", "", TLS),
    option("cert_reqs --cert-reqs", "", TLS),
    lost("ca_certs --ca-certs", TLS),
    option("suppress_ragged_eofs --suppress-ragged-eofs", "", TLS, its.ignore),
    option("do_handshake_on_connect --do-handshake-on-connect", "", TLS),
    option("ciphers --ciphers", "", TLS),
    option("http_protocols --http-protocols", "", HTTP2),
    option("http2_cleartext --http2-cleartext", "", HTTP2),
    option("""http2_max_concurrent_streams --http2-max-concurrent-streams""", "", HTTP2),
    option("http2_initial_window_size --http2-initial-window-size", "", HTTP2),
    option("http2_max_frame_size --http2-max-frame-size", "", HTTP2),
    option("http2_max_header_list_size --http2-max-header-list-size", "", HTTP2),
    option("permit_obsolete_folding --permit-obsolete-folding", "", STRICT),
    option("strip_header_spaces --strip-header-spaces", "", STRICT),
    option("permit_unconventional_http_method --permit-unconventional-http-method", "", """
        Every method that is a token reaches the application, except `CONNECT`."""),
    option("permit_unconventional_http_version --permit-unconventional-http-version", "", STRICT),
    option("casefold_http_method --casefold-http-method", "", """
        Methods reach the application as they came."""),
    option("forwarder_headers --forwarder-headers", "`url_prefix`", """
        No header sets `SCRIPT_NAME` or `PATH_INFO`. If the proxy mounts the application under a
        path, set `url_prefix` to it.""", its.forwarder_headers),
    option("header_map --header-map", "", """
        A header with `_` in its name never reaches the application, as with `drop`.""",
        its.header_map),
    option("asgi_loop --asgi-loop", "", ASGI),
    option("asgi_lifespan --asgi-lifespan", "", ASGI),
    option("asgi_disconnect_grace_period --asgi-disconnect-grace-period", "", ASGI),
    option("websocket_max_message_size --websocket-max-message-size", "", ASGI),
    option("http_parser --http-parser", "", "There is one, in Rust."),
    option("root_path --root-path", "`url_prefix`", """
        For ASGI there; the path under which a proxy mounts the application is `url_prefix`."""),
    lost("dirty_apps --dirty-app", DIRTY),
    option("dirty_workers --dirty-workers", "", DIRTY),
    option("dirty_timeout --dirty-timeout", "", DIRTY),
    option("dirty_threads --dirty-threads", "", DIRTY),
    option("dirty_graceful_timeout --dirty-graceful-timeout", "", DIRTY),
    lost("on_dirty_starting", DIRTY),
    lost("dirty_post_fork", DIRTY),
    lost("dirty_worker_init", DIRTY),
    lost("dirty_worker_exit", DIRTY),
    option("control_socket --control-socket", "`control`", """
        For `headwaiter ctl`, with a protocol of its own; none unless it is set."""),
    option("control_socket_mode --control-socket-mode", "", "Only its owner may connect."),
    option("control_socket_disable --no-control-socket", "", "There is none unless it is set."),
)  # fmt: skip

SWITCHES = """
    --reload --spew --check-config --print-config --preload --no-sendfile --reuse-port -D --daemon
    --initgroups --disable-redirect-access-to-syslog --capture-output --log-syslog -R
    --enable-stdio-inheritance --enable-backlog-metric --suppress-ragged-eofs
    --do-handshake-on-connect --permit-obsolete-folding --strip-header-spaces
    --permit-unconventional-http-method --permit-unconventional-http-version
    --casefold-http-method --no-control-socket
"""

SERVER = Server(
    "gunicorn",
    ("gunicorn",),
    "gunicorn",
    OPTIONS,
    its.finish,
    frozenset(SWITCHES.split()),
    frozenset(("--proxy-protocol",)),
)

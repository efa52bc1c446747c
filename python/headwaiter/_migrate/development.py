"""Options of servers that are for ASGI or for development: for suggestions only."""

from __future__ import annotations

from headwaiter._migrate.rows import Server, option

ASGI = "An option of ASGI servers; headwaiter serves WSGI applications only."
TLS = "headwaiter has no TLS: let a proxy such as nginx or Caddy end it."

_COMMON = (
    option("--host --bind -b", "`--listen`", "`--listen=HOST:PORT`."),
    option("--port", "`--port`", "`--listen=HOST:PORT`."),
    option("--uds", "`--unix-socket`", "A path."),
    option("--fd", "`--listen`", "`--listen=fd://N`."),
    option("--reload", "`--reload`", "`--dev` also shows tracebacks."),
    option("--reload-dir", "`--reload-include`", "Patterns of files."),
    option("--reload-delay", "", "Changes are noticed at once."),
    option("--workers -w", "`--processes`", "Processes with threads."),
    option("--factory", "`--factory`", "The same."),
    option("--backlog", "`--backlog`", "The same."),
    option("--proxy-headers --no-proxy-headers --forwarded-allow-ips",
        "`--trusted-proxy`, `--trusted-proxy-headers`", "Nobody is trusted unless named."),
    option("--root-path", "`--url-prefix`", "The path under which a proxy mounts it."),
    option("--limit-concurrency", "`--queue-limit`", "Further requests get 503."),
    option("--limit-max-requests", "`--max-requests`", "The same."),
    option("--limit-max-requests-jitter", "`--max-requests-jitter`", "The same."),
    option("--timeout-keep-alive --keep-alive", "`--channel-timeout`", "The same."),
    option("--timeout-graceful-shutdown --graceful-timeout", "`--shutdown-timeout`", "The same."),
    option("--read-timeout", "`--header-timeout`, `--body-timeout`", "One for each phase."),
    option("--app-dir", "`--pythonpath`", "A directory for imports."),
    option("--env-file", "`--env`", "`--env NAME=VALUE`."),
    option("--server-header --no-server-header", "`--ident`", "`--ident=` sends none."),
    option("--date-header --no-date-header", "", "Always sent."),
    option("--access-log --no-access-log --access-logfile", "`--access-log`", """
        A file, or `-` for standard output."""),
    option("--access-logformat", "`--access-log-format`", "The letters of gunicorn."),
    option("--use-colors --no-use-colors", "", "By NO_COLOR."),
    option("--error-log --error-logfile", "`--log-config`", "Standard error unless set up."),
    option("--server-name", "`--server-name`", "For requests without a host."),
    option("--header", "", "Let the application or the proxy add headers."),
    option("""--loop --http --ws --ws-max-size --ws-max-queue --ws-ping-interval
        --ws-ping-timeout --ws-per-message-deflate --lifespan --interface --reset-contextvars
        --h11-max-incomplete-event-size --quic-bind --insecure-bind
        --websocket-ping-interval --timeout-worker-healthcheck --http2""", "", ASGI),
    option("""--ssl-keyfile --ssl-certfile --ssl-keyfile-password --ssl-version --ssl-cert-reqs
        --ssl-ca-certs --ssl-ciphers --certfile --keyfile --keyfile-password --ca-certs
        --cert-reqs --ciphers --verify-mode""", "", TLS),
    option("--statsd-host --statsd-prefix", "`--admin`", "Metrics are for Prometheus."),
    option("--daemon -D", "", "The service manager keeps it in the background."),
    option("--debug", "`--dev`", "For development only."),
    option("--pid -p", "`--pid-file`", "The same."),
    option("--user -u", "`--user`", "The same."),
    option("--group -g", "`--group`", "The same."),
    option("--umask -m", "`--umask`", "The same."),
    option("--config -c", "`--config`", "A TOML file."),
    option("--log-config --log-level --reload-include --reload-exclude --max-requests"
        " --max-requests-jitter", "", "The same."),
)  # fmt: skip

_FLASK = (
    option("--app -A", "", "Name the application: `headwaiter PACKAGE:app`."),
    option("--host -h", "`--listen`", "`--listen=HOST:PORT`."),
    option("--port -p", "`--port`", "`--listen=HOST:PORT`."),
    option("--debug --no-debug --debugger --no-debugger", "`--dev`", "For development only."),
    option("--reload --no-reload", "`--reload`", "Off unless asked for; `--dev` has it."),
    option("--extra-files", "`--reload-include`", "Patterns of files."),
    option("--exclude-patterns", "`--reload-exclude`", "Patterns of files."),
    option("--with-threads --without-threads", "`--threads`", "`--threads=1` is one at a time."),
    option("--cert --key", "", TLS),
    option("--env-file -e", "`--env`", "`--env NAME=VALUE`."),
)  # fmt: skip

_DJANGO = (
    option("--noreload", "", "Nothing reloads unless `--reload` asks for it."),
    option("--nothreading", "`--threads`", "`--threads=1` is one at a time."),
    option("--nostatic --insecure", "", "Static files are served by the proxy or WhiteNoise."),
    option("--ipv6 -6", "`--listen`", "`--listen='[::1]:8000'`."),
    option("--settings", "`--env`", "`--env DJANGO_SETTINGS_MODULE=MODULE`."),
    option("--pythonpath", "`--pythonpath`", "The same."),
    option("--no-color --force-color --skip-checks --traceback --verbosity -v", "", """
        An option of manage.py; `manage.py runserver --headwaiter` takes it."""),
)  # fmt: skip

UVICORN = Server("uvicorn and hypercorn", ("uvicorn", "hypercorn", "daphne"), "", _COMMON)
FLASK = Server("flask run", ("flask",), "", _FLASK)
DJANGO = Server("manage.py runserver", ("manage.py", "django-admin"), "", _DJANGO)

"""What is known of the programs, languages, modules and names in the pages: extend it here.

A block of a language or with a program that is not in these tables fails the tests, so a new kind
of block gets its line here, with a reason if it cannot be run.
"""

from __future__ import annotations

NOT_RUN_LANGUAGES = {
    "text": "what a program prints, or a drawing",
    "http": "a request or a reply",
    "diff": "a change of a file",
    "html": "part of a template",
    "jinja": "part of a template",
}

NOT_RUN_PROGRAMS = {
    "apt": "installs packages of the system",
    "apt-get": "installs packages of the system",
    "celery": "needs Redis; tests/examples starts it",
    "certbot": "needs a public name",
    "curl": "asks a server that runs elsewhere",
    "docker": "needs Docker",
    "git": "needs a repository elsewhere",
    "gunicorn": "another server",
    "granian": "another server",
    "cheroot": "another server",
    "journalctl": "needs systemd",
    "kill": "sends a signal to a process of yours",
    "kubectl": "needs Kubernetes",
    "mod_wsgi-express": "another server",
    "nginx": "needs root",
    "pkill": "sends a signal to processes of yours",
    "redis-server": "runs until it is stopped; tests/examples starts it",
    "roll.py": "needs HAProxy; tests/deploy/test_rolling.py runs it",
    "ssh": "needs another machine",
    "sudo": "needs root",
    "systemctl": "needs systemd",
    "systemd-analyze": "needs systemd; tests/deploy runs it",
    "useradd": "needs root",
    "uvicorn": "another server",
    "uwsgi": "another server",
    "waitress-serve": "another server",
}
"""Programs that a test cannot or should not start."""

NOT_RUN_LINES: dict[tuple[str, str], str] = {}
"""Single lines that cannot be run, by page and beginning."""

STUBS = {
    "myapp": ("app", "application", "create_app"),
    "mypackage": ("app", "application", "create_app"),
    "myproject": (),
    "myproject.wsgi": ("application",),
    "mysite": ("app", "application", "create_app"),
    "mysite.database": ("engine",),
    "mysite.metrics": ("start_reporter",),
    "mysite.wsgi": ("application",),
    "pkg": ("app", "application", "create_app"),
    "pkg.wsgi": ("application",),
}
"""Modules that the pages invent, and what is in them: applications, a factory, or a mock."""

NAMES = {
    "app": "hello",
    "application": "hello",
    "rows": "lambda: [b'row']",
    "INSTALLED_APPS": "[]",
    "MIDDLEWARE": "[]",
}
"""Names that a block of Python uses and does not define, with an expression for each."""

PACKAGES = {
    "ddtrace",
    "flask",
    "loguru",
    "newrelic",
    "opentelemetry",
    "paste",
    "pyramid",
    "sentry_sdk",
    "sqlalchemy",
    "structlog",
}
"""Packages of others: a block that needs one is skipped where it is not installed."""

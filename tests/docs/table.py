"""What is known of the programs, languages, modules and names in the pages: extend it here.

A block of a language or with a program that is not in these tables fails the tests, so a new kind
of block gets its line here, with a reason if it cannot be run.
"""

from __future__ import annotations

LOOKS_LIKE_OUTPUT = (
    r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) [\w.]+: ",  # a log record
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
    r"headwaiter: ",  # why a start failed
    r"HTTP/1\.[01] \d{3}",
    r"[A-Z]+ /\S* (HTTP/1\.[01] )?-> ",  # a line of an access log
    r"(?s).*[─│┌▒▇]",  # a drawing
    r"threads: \d+ -> \d+: ",
    r"\d+ of \d+ threads",
    r"\{\"\w+\":",
    r"\w+ \w+ \w+ [^=:;|(){}\[\]]{40}",  # a sentence
)
"""How a block of no language begins if it is output. Better: fence it, and call it ``text``."""

NOT_RUN_LANGUAGES = {
    "apache": "part of the configuration of another server",
    "text": "what a program prints, or a drawing",
    "http": "a request or a reply",
    "diff": "a change of a file",
    "html": "part of a template",
    "jinja": "part of a template",
}

NOT_RUN_PROGRAMS = {
    ".": "activates an environment",
    "apt": "installs packages of the system",
    "apt-get": "installs packages of the system",
    "celery": "needs Redis; tests/examples starts it",
    "certbot": "needs a public name",
    "crontab": "changes the table of a user",
    "curl": "asks a server that runs elsewhere",
    "ddtrace-run": "needs the agent; its recipe has a test of its own",
    "django-admin": "makes a project; examples/django_site is one",
    "docker": "needs Docker",
    "flask": "needs the application of the page; its recipe has a test of its own",
    "for": "a loop of the shell's around what is elsewhere on the page",
    "git": "needs a repository elsewhere",
    "gunicorn": "another server",
    "granian": "another server",
    "m0serve": "another server",
    "peregrine": "another server",
    "cheroot": "another server",
    "journalctl": "needs systemd",
    "kill": "sends a signal to a process of yours",
    "kubectl": "needs Kubernetes",
    "mod_wsgi-express": "another server",
    "newrelic-admin": "needs the agent; its recipe has a test of its own",
    "nginx": "needs root",
    "opentelemetry-bootstrap": "needs the agent; its recipe has a test of its own",
    "opentelemetry-instrument": "needs the agent; its recipe has a test of its own",
    "pkill": "sends a signal to processes of yours",
    "pserve": "needs PasteDeploy; tests/examples/test_small.py runs it",
    "redis-server": "runs until it is stopped; tests/examples starts it",
    "roll.py": "needs HAProxy; tests/deploy/test_rolling.py runs it",
    "runwsgi": "needs Zope",
    "source": "activates an environment",
    "ssh": "needs another machine",
    "sudo": "needs root",
    "systemctl": "needs systemd",
    "systemd-analyze": "needs systemd; tests/deploy runs it",
    "useradd": "needs root",
    "until": "a loop of the shell's around what is elsewhere on the page",
    "uvicorn": "another server",
    "uwsgi": "another server",
    "waitress-serve": "another server",
    "while": "a loop of the shell's around what is elsewhere on the page",
}
"""Programs that a test cannot or should not start."""

NOT_RUN_LINES: dict[tuple[str, str], str] = {
    ("docs/processes.md", "headwaiter --listen=0.0.0.0:80 --user="): (
        "needs root, and an interpreter that others may read: tests/process/test_privileges.py"
    ),
}
"""Single lines that cannot be run, by page and beginning."""

STUBS = {
    "myapp": ("app", "application", "create_app"),
    "myapp.wsgi": ("app", "application"),
    "mypackage": ("app", "application", "create_app"),
    "myproject": (),
    "myproject.wsgi": ("application",),
    "mysite": ("app", "application", "create_app"),
    "mysite.database": ("engine",),
    "mysite.metrics": ("start_reporter",),
    "mysite.wsgi": ("application",),
    "pkg": ("app", "application", "create_app"),
    "pkg.wsgi": ("application",),
    "shop": ("app", "application", "create_app"),
    "shop.wsgi": ("application",),
    "wsgi": ("application",),
    "site_": ("app", "application", "create_app"),
    "site_.wsgi": ("application",),
}
"""Modules that the pages invent, and what is in them: applications, a factory, or a mock."""

FILES = {
    "logging.json": '{"version": 1}',
    "logging.toml": "version = 1\n",
    "logging.ini": "[loggers]\nkeys=root\n[handlers]\nkeys=\n[formatters]\nkeys=\n"
    "[logger_root]\nlevel=INFO\nhandlers=\n",
}
"""Files that a command names, and the page does not show."""

PLACEHOLDERS = {"MODULE:OBJECT": "mysite:app"}
"""Words of a command that stand for the reader's own."""

NAMES = {
    "app": "hello",
    "application": "hello",
    "bottle": "importlib.import_module('bottle')",
    "config": "mock.MagicMock()",
    "rows": "lambda: [b'row']",
    "INSTALLED_APPS": "[]",
    "MIDDLEWARE": "[]",
}
"""Names that a block of Python uses and does not define, with an expression for each."""

PACKAGES = {
    "bottle",
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

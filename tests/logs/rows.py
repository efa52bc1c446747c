"""The ways to set up logging under which nothing of a server may get lost or be said twice.

Each row is the text of an application's module before ``APP``, or of a program that calls
``serve``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Row(NamedTuple):
    """A way to set up logging. ``needs`` are packages; ``options`` are of the command line."""

    name: str
    setup: str
    needs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    app: str = ""
    files: Mapping[str, str] = MappingProxyType({})


APP = """
MARK = "what went wrong"

def app(environ, start_response):
    if environ["PATH_INFO"] == "/fail":
        raise LookupError(MARK)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""

# In the middle of the server's life: with its first request.
LATE_APP = APP.replace("    if environ", "    set_up()\n    if environ", 1)

DJANGO = """
import os
from django.conf import settings
settings.configure(
    DEBUG={debug},
    SECRET_KEY="x" * 50,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
)
import django
django.setup()
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

MARK = "what went wrong"

def hello(request):
    return HttpResponse(b"hello")

def fail(request):
    raise LookupError(MARK)

urlpatterns = [path("", hello), path("fail", fail)]
"""
# Django handles the exceptions of views itself; this one is raised outside of it.
DJANGO_OUTSIDE = """
django_app = get_wsgi_application()

def app(environ, start_response):
    if environ["PATH_INFO"] == "/fail":
        raise LookupError(MARK)
    return django_app(environ, start_response)
"""

# Flask handles the exceptions of views itself, and logs them as ``app.logger``.
FLASK = """
import flask

MARK = "what went wrong"
app = flask.Flask(__name__)

@app.route("/")
def hello():
    return "hello"

@app.route("/fail")
def fail():
    raise LookupError(MARK)
"""

DICT = """
import logging.config

def set_up():
    logging.config.dictConfig({{"version": 1, {more}}})
"""
TO_STANDARD_ERROR = """
    "handlers": {{"console": {{"class": "logging.StreamHandler"{handler}}}}},
    "root": {{"handlers": ["console"], "level": "{level}"}},
"""

INI = """
[loggers]
keys = root
[handlers]
keys = {handlers}
[formatters]
keys =
[logger_root]
level = WARNING
handlers = {handlers}
"""
INI_CONSOLE = """
[handler_console]
class = StreamHandler
args = (sys.stderr,)
"""
FILE = """
import logging.config

def set_up():
    logging.config.fileConfig("logging.ini"{more})
"""

STRUCTLOG = """
import logging
import structlog

structlog.configure(
    processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
)
handler = logging.StreamHandler()
handler.setFormatter(
    structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )
)
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.INFO)
"""

LOGURU = """
import logging
from loguru import logger

class Intercept(logging.Handler):
    def emit(self, record):
        logger.opt(exception=record.exc_info).log(record.levelname, record.getMessage())

logging.basicConfig(handlers=[Intercept()], level=0)
"""


def _dict(more: str = "", **values: str) -> str:
    return DICT.format(more=more.format(**values).strip())


def _console(level: str = "INFO", handler: str = "", more: str = "") -> str:
    return _dict(TO_STANDARD_ERROR, level=level, handler=handler).replace(
        '"version": 1, ', f'"version": 1, {more}'
    )


KEEP = '"disable_existing_loggers": False, '
KEEP_INI = ", disable_existing_loggers=False"
SILENT_INI = {"logging.ini": INI.format(handlers="")}
CONSOLE_INI = {"logging.ini": INI.format(handlers="console") + INI_CONSOLE}
NOW = "\nset_up()\n"

ROWS = (
    Row("no configuration at all", ""),
    Row("basicConfig()", "import logging\nlogging.basicConfig()\n"),
    Row(
        "Django's default LOGGING, DEBUG off",
        DJANGO.format(debug=False),
        ("django",),
        app="app = get_wsgi_application()\n",
    ),
    Row(
        "Django's default LOGGING, DEBUG on",
        DJANGO.format(debug=True),
        ("django",),
        app="app = get_wsgi_application()\n",
    ),
    Row(
        "Django's default LOGGING, raised outside",
        DJANGO.format(debug=False),
        ("django",),
        app=DJANGO_OUTSIDE,
    ),
    Row("Flask", "", ("flask",), app=FLASK),
    # Flask then adds a handler of its own, and the record goes on to the root logger.
    Row("Flask, logger used at import", "", ("flask",), app=FLASK + "app.logger.info('x')\n"),
    Row("dictConfig, disables loggers, no handler", _dict() + NOW),
    Row("dictConfig, keeps loggers, no handler", _dict(KEEP) + NOW),
    Row("dictConfig, disables loggers, root handler", _console() + NOW),
    Row("dictConfig, keeps loggers, root handler", _console(more=KEEP) + NOW),
    Row("dictConfig, root level WARNING", _console("WARNING") + NOW),
    Row("dictConfig, handler level CRITICAL", _console(handler=', "level": "CRITICAL"') + NOW),
    Row("dictConfig, while it serves, disables", _dict(), app=LATE_APP),
    Row("dictConfig, while it serves, root handler", _console(), app=LATE_APP),
    Row("fileConfig, disables loggers, no handler", FILE.format(more="") + NOW, files=SILENT_INI),
    Row(
        "fileConfig, keeps loggers, no handler",
        FILE.format(more=KEEP_INI) + NOW,
        files=SILENT_INI,
    ),
    Row(
        "fileConfig, disables loggers, root handler",
        FILE.format(more="") + NOW,
        files=CONSOLE_INI,
    ),
    Row(
        "fileConfig, keeps loggers, root handler",
        FILE.format(more=KEEP_INI) + NOW,
        files=CONSOLE_INI,
    ),
    Row("fileConfig, while it serves", FILE.format(more=""), app=LATE_APP, files=SILENT_INI),
    Row("structlog, on its own", "import structlog\nstructlog.get_logger()\n", ("structlog",)),
    Row("structlog formats the standard library's", STRUCTLOG, ("structlog",)),
    Row("loguru, on its own", "import loguru\n", ("loguru",)),
    Row("loguru takes the standard library's", LOGURU, ("loguru",)),
    Row(
        "propagate off, no handler",
        "import logging\nlogging.getLogger('headwaiter').propagate = False\n",
    ),
    Row(
        "log_config, as JSON",
        "",
        options=("--log-config=logging.json",),
        files={
            "logging.json": '{"version": 1, "handlers": {"e": {"class": "logging.StreamHandler"}},'
            ' "root": {"handlers": ["e"], "level": "INFO"}}'
        },
    ),
)

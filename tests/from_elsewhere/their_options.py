"""The options of other servers, as these servers themselves tell them.

A server that is not installed is ``None``. Names of files come with those of flags.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Optional

from tests.support.process import environment

Names = Optional[set[str]]
FLAG = re.compile(r"(?<![\w/-])(--[a-z][\w-]*|-[a-zA-Z0-9](?=[ ,|\n]))")


def version(distribution: str) -> tuple[int, int] | None:
    """The first two parts of the installed version."""
    try:
        first, second = importlib.metadata.version(distribution).split(".")[:2]
    except importlib.metadata.PackageNotFoundError:
        return None
    return int(first), int(second)


def gunicorn() -> Names:
    try:
        config = importlib.import_module("gunicorn.config")
    except ImportError:
        return None
    names = set()
    for setting in config.KNOWN_SETTINGS:
        names |= {setting.name, *(setting.cli or ())}
    return names


def granian() -> Names:
    try:
        cli = importlib.import_module("granian.cli").cli
    except ImportError:
        return None
    return {flag for each in cli.params for flag in (*each.opts, *each.secondary_opts)} - {"app"}


def cheroot() -> Names:
    try:
        spec = importlib.import_module("cheroot.cli")._arg_spec
        server = importlib.import_module("cheroot.wsgi").Server
    except ImportError:
        return None
    arguments = set(inspect.signature(server.__init__).parameters) - {"self"}
    return {name for name in spec if name.startswith("--")} | arguments | {"-h", "--help"}


def cherrypy() -> Names:
    try:
        server = importlib.import_module("cherrypy._cpserver").Server
    except ImportError:
        return None
    inherited = set(dir(importlib.import_module("cherrypy.process.servers").ServerAdapter))
    own = {name for name in dir(server) if not name.startswith("_")} - inherited
    return {f"server.{name}" for name in own if not inspect.isroutine(getattr(server, name))}


def waitress() -> Names:
    try:
        runner = importlib.import_module("waitress.runner")
        adjustments = importlib.import_module("waitress.adjustments").Adjustments
    except ImportError:
        return None
    adjusted = {name for name, _ in adjustments._params}
    flags = set(re.findall(r"(?m)^ {4,}(--[a-z][a-z0-9-]*)", runner.HELP))
    return adjusted | flags


def uwsgi() -> Names:
    text = output("uwsgi", "--help")
    if text is None:
        return None
    flags = re.findall(r"(?m)^\s+(?:(-\w)\|)?--([\w-]+)", text)
    return {name for short, long in flags for name in (short, f"--{long}", long) if name}


def mod_wsgi() -> Names:
    text = output("mod_wsgi-express", "start-server", "--help")
    if text is None:
        return None
    return set(re.findall(r"(?m)^  (?:-\w, )?(--[a-z0-9-]+)", text)) | {"-h"}


def flask() -> Names:
    command = importlib.import_module("flask.cli").run_command
    return {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)}


def runserver() -> Names:
    text = output_of([sys.executable, "-m", "django", "runserver", "--help"])
    return set(FLAG.findall(text.partition("options:")[2]))


def output(program: str, *arguments: str) -> str | None:
    """What a program says, beside this Python or on the path."""
    beside = Path(sys.executable).with_name(program)
    found = str(beside) if beside.exists() else shutil.which(program)
    return output_of([found, *arguments]) if found else None


def output_of(argv: Iterable[str]) -> str:
    done = subprocess.run(
        list(argv), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout

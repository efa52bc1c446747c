"""What to do about an application that fails to load: a line below its traceback.

``_startup.py`` asks with the exception. Rule: a hint is about the surroundings, which the traceback
does not show (the wrong Python, a variable that is not set, a file that this user may not read),
and never about the application's own code.
"""

from __future__ import annotations

import glob
import os
import sys

from headwaiter import _importing

ENVIRONMENTS = (".venv", "venv", "env")
DJANGO_VARIABLE = "DJANGO_SETTINGS_MODULE"


def for_error(error: BaseException) -> str:
    """A hint that helps with ``error``; empty if there is none."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _for_missing(error.name.partition(".")[0])
    if isinstance(error, ImportError) and error.name:
        return _importing.hidden(error.name.partition(".")[0])
    if DJANGO_VARIABLE in str(error) and not os.environ.get(DJANGO_VARIABLE):
        return (
            f"{DJANGO_VARIABLE} is not set: write --env {DJANGO_VARIABLE}={_settings()}, or name"
            " the module of get_wsgi_application(), such as mysite.wsgi, which sets it"
        )
    if isinstance(error, PermissionError) and error.filename and hasattr(os, "geteuid"):
        return f"the server runs as user {os.geteuid()}, who may not read {error.filename}"
    return ""


def _for_missing(name: str) -> str:
    """The Python in which the module was looked for, and one that has it."""
    hidden = _importing.hidden(name)
    if hidden or _importing.exists(name):
        return hidden
    active = os.environ.get("VIRTUAL_ENV", "")
    others = [active, *(os.path.abspath(each) for each in ENVIRONMENTS)]
    for each in filter(_is_another, others):
        if _has(each, name):
            return (
                f"{each} has {name!r}, but headwaiter runs in {sys.prefix}: install headwaiter in"
                f" {each}, too, and start that one"
            )
    if active and _is_another(active):
        return f"the active virtual environment is {active}, but headwaiter runs in {sys.prefix}"
    return f"{name!r} is not installed for {sys.executable}"


def _is_another(environment: str) -> bool:
    """Whether this is a virtual environment, and not the one that this Python runs in."""
    is_one = bool(environment) and os.path.isfile(os.path.join(environment, "pyvenv.cfg"))
    return is_one and os.path.realpath(environment) != os.path.realpath(sys.prefix)


def _has(environment: str, name: str) -> bool:
    base = glob.escape(environment)
    folders = ("lib/python*/site-packages", "Lib/site-packages")
    names = (name, f"{name}.py")
    return any(glob.glob(os.path.join(base, folder, each)) for folder in folders for each in names)


def _settings() -> str:
    """The settings of the project in the current directory, if there is one."""
    found = sorted(glob.glob("*/settings.py"))
    return found[0][: -len(".py")].replace(os.sep, ".") if found else "mysite.settings"

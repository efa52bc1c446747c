"""The environment variables that mean something to the server.

``sources.py`` takes adjustments from here. Rules: all variables with our prefix that are not
adjustments stand in :data:`OTHERS`; any other one is a mistake, which is logged once in a process
and not by the children of a parent, which has logged it.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from headwaiter._process import logs
from headwaiter._settings.casts import FIELD_VALUE, URL_PREFIX
from headwaiter._settings.suggestions import other_name
from headwaiter._settings.table import ADJUSTMENTS, ENVIRONMENT_PREFIX

CONFIG_VARIABLE = ENVIRONMENT_PREFIX + "CONFIG"
SLOT_VARIABLE = ENVIRONMENT_PREFIX + "PROCESS"
"""Tells a child of several its number."""
CONCURRENCY_VARIABLE = "WEB_CONCURRENCY"
PORT_VARIABLE = "PORT"

OTHERS = {
    CONFIG_VARIABLE: "The configuration file, as --config.",
    SLOT_VARIABLE: "Set by the server: the number of this process among those that serve.",
    ENVIRONMENT_PREFIX + "AS_WAITRESS": "1 makes `import waitress` mean headwaiter.",
    ENVIRONMENT_PREFIX + "HANDOFF": "`dedicated` keeps I/O and workers on threads of their own.",
    ENVIRONMENT_PREFIX + "INJECT_PANIC": "For tests of debug builds.",
}
"""What our variables that are not adjustments are for."""
FOREIGN = {
    PORT_VARIABLE: "The port, if nothing else names a port or another place to listen.",
    CONCURRENCY_VARIABLE: "The number of processes, if nothing else says how many.",
    "NO_COLOR": "Without colours, if it is not empty.",
    "LISTEN_FDS": "Set by systemd: sockets to serve.",
    "NOTIFY_SOCKET": "Set by systemd: where the server says that it is ready.",
}
"""Variables of platforms, which only the command line reads."""

_OF_TESTS = ENVIRONMENT_PREFIX + "TEST_"
# What Kubernetes sets for a service with the name "headwaiter".
_OF_KUBERNETES = re.compile(ENVIRONMENT_PREFIX + r"(SERVICE_(HOST|PORT.*)|PORT_\d+_\w+)")
_EMPTY_MEANS_NONE = (FIELD_VALUE, URL_PREFIX)
_warned: set[str] = set()


class Given(NamedTuple):
    """A value as it was given. ``origin`` is argument, environment or file; ``where`` is the flag,
    the variable or the path, and empty for a keyword argument."""

    value: Any
    origin: str
    where: str = ""


def from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    """The values of environment variables. An empty variable counts as unset, unless empty text has
    a meaning (``HEADWAITER_IDENT=``)."""
    found = {}
    for row in ADJUSTMENTS:
        value = environ.get(row.variable)
        if value is None or row.keyword_only or (not value and row.kind not in _EMPTY_MEANS_NONE):
            continue
        found[row.name] = Given(value, "environment", row.variable)
    _warn_of_unknown(environ)
    return found


def with_platform(given: Mapping[str, Given], environ: Mapping[str, str]) -> dict[str, Given]:
    """``given``, and what ``PORT`` and ``WEB_CONCURRENCY`` say if no source does.

    Platforms set these variables for every program, so only the command line reads them.
    """
    result = dict(given)
    places = {"listen", "port", "unix_socket", "sockets"}
    for name, variable, others in (
        ("port", PORT_VARIABLE, places),
        ("processes", CONCURRENCY_VARIABLE, {"processes"}),
    ):
        value = environ.get(variable)
        if value and not others & given.keys():
            result[name] = Given(value, "environment", variable)
    return result


def note(variable: str, value: Any) -> str:
    """Words for the end of a message about the value of a variable; usually none."""
    if variable == ENVIRONMENT_PREFIX + "PORT" and "://" in str(value):
        return ", which Kubernetes sets for a service of this name; see enableServiceLinks"
    return ""


def warn_once(text: str) -> None:
    """Log a warning about the settings. They are read several times: at a reload, by children."""
    if SLOT_VARIABLE not in os.environ and text not in _warned:
        _warned.add(text)
        logs.say(logging.WARNING, text)


def _warn_of_unknown(environ: Mapping[str, str]) -> None:
    known = {row.variable for row in ADJUSTMENTS if not row.keyword_only} | OTHERS.keys()
    for name in sorted(environ):
        if not name.startswith(ENVIRONMENT_PREFIX) or name in known:
            continue
        if not name.startswith(_OF_TESTS) and not _OF_KUBERNETES.fullmatch(name):
            hint = other_name(name, known, prefix=ENVIRONMENT_PREFIX)
            warn_once(f"environment variable {name} has no effect{hint}")

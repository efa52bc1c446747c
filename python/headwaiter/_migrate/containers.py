"""Finds the command of a server in the files that start it: units of systemd, Procfile, Dockerfile,
supervisord's configuration.

Rules: nothing is executed and no other file is read here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from headwaiter._migrate.command_line import split
from headwaiter._migrate.uwsgi_file import ini_pairs

KEPT = ("User", "Group", "UMask", "WorkingDirectory", "Environment", "EnvironmentFile")
KEPT_BY_SUPERVISOR = ("user", "directory", "environment")


@dataclass
class Started:
    """How a file starts a server. ``keeps`` are keys of the file that stay as they are."""

    words: list[str]
    directory: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    keeps: tuple[str, ...] = ()
    platform_sets_port: bool = False
    is_unit: bool = False
    notes: list[str] = field(default_factory=list)


def of_unit(text: str) -> list[Started]:
    """Each ``ExecStart=`` of a unit."""
    pairs = list(ini_pairs(text.replace("\\\n", " "), "Service"))
    last = dict(pairs)
    variables: dict[str, str] = {}
    for key, value in pairs:
        if key == "Environment":
            for word in split(value):
                name, _, content = word.partition("=")
                variables[name] = content
    return [
        Started(
            split(value.lstrip("-@:+!| ")),
            last.get("WorkingDirectory", "").lstrip("-~"),
            variables,
            tuple(f"{key}=" for key in KEPT if key in last),
            is_unit=True,
            notes=list(_of_service(last)),
        )
        for key, value in pairs
        if key == "ExecStart" and value
    ]


def _of_service(last: dict[str, str]) -> Iterator[str]:
    """What else in the unit means something else now."""
    kind = last.get("Type", "simple")
    if kind == "forking":
        yield "Type=forking: write Type=notify; the server stays in the foreground"
    elif kind not in ("notify", "notify-reload"):
        yield f"Type={kind}: Type=notify works, too, and waits until the server is ready"
    if re.search(r"\bHUP\b|\s-1\s", last.get("ExecReload", "")):
        yield (
            "ExecReload= with HUP reloads if there is a parent process: processes other than 1,"
            " preload, max_requests, control"
        )
    if "PIDFile" in last:
        yield "PIDFile=: not needed with Type=notify"
    if "TimeoutStopSec" in last:
        yield f"TimeoutStopSec={last['TimeoutStopSec']}: keep it longer than shutdown_timeout"


def of_procfile(text: str) -> list[Started]:
    """Each process of a Procfile; ``web`` first, which is told its port by ``PORT``."""
    found = re.findall(r"^([A-Za-z0-9_-]+):\s*(.+)$", text, flags=re.MULTILINE)
    ordered = sorted(found, key=lambda each: each[0] != "web")
    return [
        Started(split(line), platform_sets_port=name == "web") for name, line in ordered if line
    ]


def of_dockerfile(text: str) -> list[Started]:
    """What a Dockerfile starts: its last ENTRYPOINT and CMD."""
    joined = re.sub(r"\\[ \t]*\n(?:\s*#.*\n)*", " ", text)
    last: dict[str, str] = {}
    variables: dict[str, str] = {}
    for line in joined.splitlines():
        word, _, value = line.strip().partition(" ")
        if word.upper() == "ENV":
            variables.update(_docker_variables(value.strip()))
        elif word.upper() in ("CMD", "ENTRYPOINT"):
            last[word.upper()] = value.strip()
    words = [part for name in ("ENTRYPOINT", "CMD") for part in _docker_words(last.get(name, ""))]
    kept = ("ENV",) if variables else ()
    return [Started(words, variables=variables, keeps=kept)] if words else []


def _docker_words(value: str) -> list[str]:
    if value.startswith("["):
        try:
            words = json.loads(value)
        except ValueError:
            return split(value)
        return [str(word) for word in words]
    return split(value)


def _docker_variables(value: str) -> Iterator[tuple[str, str]]:
    if "=" not in value.split(" ")[0]:
        name, _, content = value.partition(" ")
        yield name, content.strip()
        return
    for word in split(value):
        name, equals, content = word.partition("=")
        if equals:
            yield name, content


def of_supervisor(text: str) -> list[Started]:
    """Each program of supervisord's configuration."""
    result = []
    for section in re.findall(r"^\[(program:[^\]]+)\]", text, flags=re.MULTILINE):
        said = dict(ini_pairs(text, section))
        if "command" in said:
            kept = tuple(f"{key}=" for key in KEPT_BY_SUPERVISOR if key in said)
            result.append(Started(split(said["command"]), said.get("directory", ""), keeps=kept))
    return result

"""Reads blocks of other languages by what reads such files, or looks at their form."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from headwaiter import ADJUSTMENTS, Adjustments, _headwaiter

from .checks import check_flags

INSTRUCTIONS = {
    *("FROM", "RUN", "CMD", "COPY", "ADD", "ENV", "ARG", "EXPOSE", "USER", "WORKDIR"),
    *("ENTRYPOINT", "HEALTHCHECK", "LABEL", "VOLUME", "STOPSIGNAL", "SHELL"),
}
SECTIONS = {"backend", "defaults", "frontend", "global", "listen"}
OURS = {row.name for row in ADJUSTMENTS}


def toml(text: str, folder: Path) -> None:
    values: dict[str, Any] = _headwaiter.load_toml(text)
    tool = values.get("tool", {})
    table = tool.get("headwaiter") if "tool" in values else values.get("headwaiter", values)
    if not isinstance(table, dict) or not OURS & table.keys():
        return
    file = folder / "headwaiter.toml"
    pairs = (f"{name} = {json.dumps(value)}\n" for name, value in table.items())
    file.write_text(text if "tool" not in values else "".join(pairs), encoding="utf-8")
    Adjustments(config=file)


def ini(text: str, _folder: Path) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    for name in parser.sections():
        section = dict(parser[name])
        if section.pop("use", "") == "egg:headwaiter#main":
            Adjustments(**section)  # type: ignore[arg-type]
        if started := section.get("ExecStart"):
            _command(started)


def procfile(text: str, _folder: Path) -> None:
    for line in text.splitlines():
        _, _, started = line.partition(":")
        _command(started)


def _command(text: str) -> None:
    words = shlex.split(text)
    for place, word in enumerate(words):
        if word.rpartition("/")[2] == "headwaiter":
            check_flags(words[place + 1 :])


def dockerfile(text: str, _folder: Path) -> None:
    lines = re.sub(r"\\\n", " ", text).splitlines()
    for line in lines:
        instruction, _, rest = line.partition(" ")
        assert not line.strip() or line.startswith("#") or instruction in INSTRUCTIONS, line
        if instruction in ("CMD", "ENTRYPOINT") and rest.startswith("["):
            _command(shlex.join(json.loads(rest)))


def braces(text: str, _folder: Path) -> None:
    plain = re.sub(r"#.*|\"[^\"]*\"", "", text)
    assert plain.count("{") == plain.count("}"), "the braces are not closed"


def haproxy(text: str, _folder: Path) -> None:
    starts = re.findall(r"(?m)^(\w+)", text)
    assert starts, "no section begins"
    assert set(starts) <= SECTIONS, f"no sections: {set(starts) - SECTIONS}"


def promql(text: str, _folder: Path) -> None:
    promql_parser.parse(text)


def read_json(text: str, _folder: Path) -> None:
    json.loads(text)


def read_yaml(text: str, _folder: Path) -> None:
    list(yaml.safe_load_all(text))


READERS = {
    "caddyfile": braces,
    "dockerfile": dockerfile,
    "haproxy": haproxy,
    "ini": ini,
    "json": read_json,
    "nginx": braces,
    "procfile": procfile,
    "promql": promql,
    "systemd": ini,
    "toml": toml,
    "yaml": read_yaml,
}

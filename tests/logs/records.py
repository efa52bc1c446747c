"""The log records that the sources can write, and those that ``docs/logging.md`` lists.

The text of a record of the sources is a pattern: the format, with ``.*`` for what is put in. The
page has an example of each record in a table below a heading with the logger's name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "logging.md"
LOGGERS = {
    "LOG": "headwaiter",
    "SLOW_LOG": "headwaiter.slow",
    "QUEUE_LOG": "headwaiter.queue",
    "ACCESS_LOG": "headwaiter.access",
}


class Record(NamedTuple):
    logger: str
    level: str
    text: str


def found() -> set[Record]:
    """The records of all sources."""
    records = set(ELSEWHERE)
    for path in (ROOT / "crates").rglob("src/**/*.rs"):
        records |= set(_of_rust(path.read_text(encoding="utf-8")))
    for path in (ROOT / "python").rglob("*.py"):
        records |= set(_of_python(path))
    return records


# Texts that are made in one place and logged in another: the first line of each, where it has
# several. The test names the places in which it finds no text.
ELSEWHERE = {
    Record("headwaiter", "INFO", r"\d+ worker threads?, .+, process \d+.*"),
    Record("headwaiter", "INFO", r"stopped after .+: .+ requests?, .+ errors?, .+ cut.*"),
    Record("headwaiter", "INFO", r"process \d+ is replaced by process \d+: .+"),
    *(
        Record("headwaiter", level, r"process \d+ (?:exited with status|was ended by) .+")
        for level in ("ERROR", "WARNING", "INFO")
    ),
    Record("headwaiter.access", "INFO", ".+"),
}
KNOWN_ELSEWHERE = {
    "core.py:_note",  # its callers are looked at
    "logs.py:_hand_on",
    "logs.py:fail",
    "logs.py:say",
    "loop.py:_carry_out",
    "loop.py:close",
    "machine.py:_died",
    "machine.py:_failed_to_start",
    "machine.py:_has_started",
    "machine.py:_template_died",
    "replacing.py:_left",
    "replacing.py:_replace",
    "server.py:_log_banner",
    "server.py:_log_end",
    "server.py:print_listen",  # the program chooses the text
    "stopping.py:_left_in_stop",
    "variables.py:warn_once",
}

TEXT = r'"((?:[^"\\]|\\.)*)"'
MACRO = re.compile(
    rf"log::(warn|error|info)!\(\s*target: (?:crate|headwaiter_engine)::(\w+),\s*{TEXT}", re.DOTALL
)
NOTE = re.compile(rf"note\(\s*log::Level::(\w+),\s*&format!\(\s*{TEXT}", re.DOTALL)
OTHERS = {
    "ERROR": re.compile(r'format!\(\s*"(Exception while [^"]*)"'),
    "WARNING": re.compile(r'format!\("(\{dropped\} log records were dropped)"\)'),
}
IN_RUST = {"warn": "WARNING", "error": "ERROR", "info": "INFO"}  # the engine skips what is below


def _of_rust(code: str) -> Iterator[Record]:
    for level, logger, text in MACRO.findall(code):
        if text not in ("{}", "{line}"):
            yield Record(LOGGERS[logger], IN_RUST[level], _pattern(text))
    for level, text in NOTE.findall(code):
        yield Record("headwaiter", IN_RUST[level.lower()], _pattern(text))
    for level, others in OTHERS.items():
        for text in others.findall(code):
            yield Record("headwaiter", level, _pattern(text))


def _pattern(text: str) -> str:
    """What a format of Rust may become; only its first line."""
    joined = re.sub(r"\\\n\s*", "", text).partition("\\n")[0]
    return ".*".join(re.escape(part) for part in re.split(r"\{[^}]*\}", joined))


def _of_python(path: Path) -> Iterator[Record]:
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef):
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and (logged := _logged(call)):
                    level, text = logged
                    for pattern in _texts(text, function, path):
                        yield Record("headwaiter", level, pattern)


def _logged(call: ast.Call) -> tuple[str, ast.expr] | None:
    """The level and the text, if ``call`` logs something."""
    name, of = "", ""
    if isinstance(call.func, ast.Attribute):
        name = call.func.attr
        of = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
    elif isinstance(call.func, ast.Name):
        name = call.func.id
    if (of, name) == ("logs", "announce") or name == "_note":
        return "INFO", call.args[0]
    if name == "warn_once":
        return "WARNING", call.args[0]
    if (of, name) == ("logs", "fail"):
        return "ERROR", call.args[1]
    is_own = name in ("_log", "_say") and len(call.args) > 1
    if (of, name) in {("logs", "post"), ("logs", "say")} or is_own:
        level = call.args[0]
        return level.attr if isinstance(level, ast.Attribute) else "", call.args[1]
    return None


def _texts(text: ast.expr, function: ast.FunctionDef, path: Path) -> Iterator[str]:
    """The pattern of an expression; a name stands for what the function has last assigned to it."""
    places: list[ast.expr] = [text]
    if isinstance(text, ast.Name):
        assigned = [
            assignment
            for assignment in ast.walk(function)
            if isinstance(assignment, ast.Assign)
            and any(isinstance(to, ast.Name) and to.id == text.id for to in assignment.targets)
            and assignment.lineno < text.lineno
        ]
        assigned.sort(key=lambda assignment: assignment.lineno)
        places = [assignment.value for assignment in assigned[-1:]]
    patterns = [pattern for place in places if (pattern := _python_pattern(place))]
    where = f"{path.name}:{function.name}"
    assert patterns or where in KNOWN_ELSEWHERE, f"{where} logs a text that is made elsewhere"
    yield from patterns


def _python_pattern(text: ast.expr) -> str:
    if isinstance(text, ast.Constant) and isinstance(text.value, str):
        return re.escape(text.value.partition("\n")[0])
    if not isinstance(text, ast.JoinedStr):
        return ""
    parts = [part.value if isinstance(part, ast.Constant) else "\0" for part in text.values]
    return re.escape("".join(map(str, parts)).partition("\n")[0]).replace("\0", ".*")


def listed() -> set[Record]:
    """The records of the page."""
    records, logger = set(), ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = re.fullmatch(r"#+ `(headwaiter[.a-z]*)`", line)
            logger = heading[1] if heading else ""
        row = re.match(r"\| (DEBUG|INFO|WARNING|ERROR|CRITICAL) \| `` ?(.+?) ?`` \|", line)
        if logger and row:
            records.add(Record(logger, row[1], row[2].replace("\\|", "|")))
    return records

"""The messages that headwaiter can print or log, read from its sources.

A message is found by what passes it on: a ``raise``, a call that logs or prints, in Rust a macro of
``log`` or the constructor of an error. What a placeholder stands for is anything. So a line of a
log, or an example in the documentation, can be compared with the sources: ``said_by`` names the
places that can say it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple, Union

from .process import ROOT

ANYTHING = "\0"
FEWEST_LETTERS = 8
"""A message with fewer letters of its own only hands on another one."""

PYTHON = ROOT / "python/headwaiter"
RUST = [ROOT / "crates" / crate / "src" for crate in ("python", "engine", "http")]


class Message(NamedTuple):
    text: str
    """With ``ANYTHING`` in place of each placeholder."""
    where: str

    def shown(self) -> str:
        return self.text.replace(ANYTHING, "…")

    def matches(self, line: str) -> bool:
        """Whether this message could be ``line``."""
        return re.fullmatch(self.pattern(), line) is not None

    def is_in(self, line: str) -> bool:
        """Whether this message could be the end of ``line``, behind time, level and logger."""
        return re.search(rf"(?:^|[\s:]){self.pattern()}$", line) is not None

    def pattern(self) -> str:
        return ".*".join(re.escape(part) for part in self.text.split(ANYTHING))


@cache
def messages() -> tuple[Message, ...]:
    """Every message, once."""
    found = {message.text: message for message in [*_of_python(), *_of_rust(), *_built()]}
    return tuple(sorted(found.values()))


def said_by(line: str) -> list[str]:
    """The places in the sources that can print ``line``, without time, level and logger."""
    return [message.where for message in messages() if message.matches(line)]


WRAPPER = re.compile(rf"headwaiter( \w+)?: {ANYTHING}|{ANYTHING} See headwaiter --help\.|;.*")
"""What comes before and behind another message."""
NO_MESSAGES = ("no arguments",)
"""What is only ever a part of one."""

BUILT = (
    # Made of parts: the message, its file, and a part that is in the file as it stands.
    ("process … exited with status …", "_parent/core.py", "exited with status"),
    ("process … was ended by …", "_parent/core.py", "was ended by"),
    ("the template exited with status …", "_parent/core.py", "exited with status"),
    ("the template was ended by …", "_parent/core.py", "was ended by"),
    ("…: stopping", "_parent/stopping.py", "{name}: stopping"),
    ("… worker thread…, …, process …", "server.py", " worker thread"),
    (
        "cut while it was running: …, … s",
        "crates/engine/src/io/drain.rs",
        "cut while it was running",
    ),
    (
        "cut while its iterable was being closed: …, … s",
        "crates/engine/src/io/drain.rs",
        "cut while its iterable was being closed",
    ),
    ("Serving on …", "server.py", "Serving on "),
    ("changed: …", "_parent/watcher.py", "changed: "),
    ("control: …: …", "_parent/control.py", "control: {path}"),
    ("pid_file: …: …", "_process/pid_file.py", "pid_file: {path}"),
    ("waiting … s for threads to end: …", "_process/shutdown.py", " s for threads to end: "),
    ("ended without waiting for …", "_process/shutdown.py", "ended without waiting for "),
    (
        "Exception while closing the iterable of …",
        "crates/python/src/worker.rs",
        "Exception while closing the iterable of ",
    ),
    (
        "threads: … -> …: …",
        "crates/engine/src/observe/overseer.rs",
        "threads: {had} -> {to}: {why}",
    ),
    (
        "… log records were dropped",
        "crates/python/src/process/logging.rs",
        " log records were dropped",
    ),
)


def _kept(texts: Iterable[str], where: str) -> Iterator[Message]:
    for text in texts:
        text = re.sub(r"\s+", " ", text).strip()
        letters = len(re.sub(r"[^A-Za-z]", "", text))
        if (
            letters >= FEWEST_LETTERS
            and " " in text
            and not WRAPPER.fullmatch(text)
            and text not in NO_MESSAGES
        ):
            yield Message(text, where)


def _built() -> Iterator[Message]:
    for text, file, part in BUILT:
        where = file if file.startswith("crates/") else f"python/headwaiter/{file}"
        source = (ROOT / where).read_text(encoding="utf-8")
        assert part in source, f"{where} says {part!r} no more: change BUILT"
        yield Message(text.replace("…", ANYTHING), where)


# Python. A file of help texts, pages or views says nothing that is searched for.

NOT_SEARCHED = (
    *("_failure_page.py", "_migrate/", "_settings/casts.py", "_settings/reference.py"),
    "_top/view.py",
)
SAYS = {
    *("_fail", "_log", "_note", "announce", "answer", "error", "fail", "Failure", "Fault"),
    *("handle_failed", "info", "log_put", "post", "say", "warn", "warn_once", "warning"),
}
"""The functions that print or log, besides ``super().__init__`` of an exception."""
MAKES = {"_for_missing", "access_log_refused", "for_error", "hidden", "line", "missing", "why"}
"""The functions that return what another module says."""
PERCENT = re.compile(r"%(?:\(\w+\))?\w")
Function = Union[ast.FunctionDef, ast.Module]


def _of_python() -> Iterator[Message]:
    for path in sorted(PYTHON.rglob("*.py")):
        name = path.relative_to(PYTHON).as_posix()
        if not name.startswith(NOT_SEARCHED):
            module = ast.parse(path.read_text(encoding="utf-8"))
            yield from PythonModule(module, f"python/headwaiter/{name}").messages()


class PythonModule:
    def __init__(self, module: ast.Module, where: str) -> None:
        self.where = where
        functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
        self.functions = {node.name: node for node in functions}
        self.scopes: list[Function] = [*functions, module]

    def messages(self) -> Iterator[Message]:
        for scope in self.scopes:
            is_maker = isinstance(scope, ast.FunctionDef) and scope.name in MAKES
            for node in ast.walk(scope):
                returned = is_maker and isinstance(node, ast.Return) and node.value
                for said in [returned] if returned else _said(node):
                    texts = self.texts(said, scope, depth=3)
                    yield from _kept(texts, f"{self.where}:{getattr(node, 'lineno', 0)}")

    def texts(self, node: ast.expr, scope: Function, depth: int) -> list[str]:
        """What ``node`` may be as a text. Empty if it holds no text of this module."""
        if depth == 0:
            return []
        if isinstance(node, ast.Constant):
            return [PERCENT.sub(ANYTHING, node.value)] if isinstance(node.value, str) else []
        if isinstance(node, ast.JoinedStr):
            parts = [self._part(part) for part in node.values]
            return ["".join(parts)]
        if isinstance(node, ast.IfExp):
            return [*self.texts(node.body, scope, depth), *self.texts(node.orelse, scope, depth)]
        if isinstance(node, ast.BoolOp):
            return [text for value in node.values for text in self.texts(value, scope, depth)]
        if isinstance(node, ast.BinOp):  # a text with more at its end
            ahead = self.texts(node.left, scope, depth)
            return [text + ANYTHING for text in ahead]
        if isinstance(node, ast.Name):
            values = _assigned(node.id, scope)
        elif isinstance(node, ast.Call):
            function = self.functions.get(_name(node.func))
            values, scope = (_returned(function), function) if function else ([], scope)
        else:
            values = []
        return [text for value in values for text in self.texts(value, scope, depth - 1)]

    @staticmethod
    def _part(part: ast.expr) -> str:
        is_text = isinstance(part, ast.Constant) and isinstance(part.value, str)
        return str(part.value) if is_text else ANYTHING  # type: ignore[attr-defined]


def _said(node: ast.AST) -> list[ast.expr]:
    """What a statement or a call says."""
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        return list(node.exc.args)
    if isinstance(node, ast.Call) and _name(node.func) == "__init__":
        return node.args[:1]
    if isinstance(node, ast.Call) and _name(node.func) in SAYS:
        return list(node.args)
    is_printed = isinstance(node, ast.Call) and _name(node.func) == "print"
    if is_printed and any(keyword.arg == "file" for keyword in node.keywords):  # type: ignore[attr-defined]
        return list(node.args)  # type: ignore[attr-defined]
    return []


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _assigned(name: str, scope: Function) -> list[ast.expr]:
    found: list[ast.expr] = []
    for node in ast.walk(scope):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            found.append(node.value)  # type: ignore[attr-defined]
    return found


def _returned(function: ast.FunctionDef) -> list[ast.expr]:
    nodes = ast.walk(function)
    return [node.value for node in nodes if isinstance(node, ast.Return) and node.value]


# Rust.

RUST_SAYS = re.compile(
    r"\b(?:log::(?:log|error|warn|info)!|note|failure::log|Py\w+::new_err|io::Error::(?:new|other)"
    r"|FormatError|say|call1)\("
)
RUST_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
RUST_TESTS = re.compile(r"^#\[cfg\((?:all\()?test\b", re.MULTILINE)
RUST_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{[^{}]*\}")
RUST_BRACES = {"{{": "{", "}}": "}"}
RUST_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
# Tables whose rows are messages: the refusals, and why a reply of the application is refused.
RUST_TABLES = {"refusal.rs": re.compile(r'"([^"]+\.)";'), "reply.rs": re.compile(r'"([^"]+)",?$')}


def _of_rust() -> Iterator[Message]:
    for source in RUST:
        for path in sorted(source.rglob("*.rs")):
            if path.name == "tests.rs" or "model" in path.parts or "tests" in path.parts:
                continue
            code = RUST_TESTS.split(path.read_text(encoding="utf-8"), maxsplit=1)[0]
            where = path.relative_to(ROOT).as_posix()
            yield from of_rust_code(code, where)
            table = RUST_TABLES.get(path.name) if "http" in path.parts else None
            if table is not None:
                yield from _kept(re.findall(table.pattern, code, re.MULTILINE), where)


def of_rust_code(code: str, where: str) -> Iterator[Message]:
    code = RUST_COMMENT.sub("", code)
    for call in RUST_SAYS.finditer(code):
        yield from _kept(_rust_texts(_arguments(code, call.end())), where)


def _arguments(code: str, start: int) -> str:
    """The text between the bracket before ``start`` and the one that closes it."""
    depth, at = 1, start
    while depth and at < len(code):
        text = RUST_TEXT.match(code, at)
        if text:
            at = text.end()
            continue
        depth += {"(": 1, ")": -1}.get(code[at], 0)
        at += 1
    return code[start:at]


def _rust_texts(arguments: str) -> list[str]:
    found = RUST_TEXT.search(arguments)
    if found is None:
        return []
    text = re.sub(r"\\\n\s*", "", found[1]).replace('\\"', '"').replace("\\n", "\n")
    return [RUST_PLACEHOLDER.sub(lambda part: RUST_BRACES.get(part[0], ANYTHING), text)]

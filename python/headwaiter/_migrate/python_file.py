"""Reads ``gunicorn.conf.py`` without running it.

What is not plain is :class:`Unread`, with the reason: names that are assigned under a condition
that only the start can tell, or in a loop. Functions with the name of a hook are options, too. Code
that does something is for the user to look at.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from headwaiter._migrate.rows import Given, Server, Unread, by_name
from headwaiter._migrate.static import NotStatic, Reader, Static, shown


class PythonFile(NamedTuple):
    """What the file says: its options, and the code in it that is no setting."""

    given: list[Given]
    code: list[str]


def read(path: str, source: str, server: Server) -> PythonFile:
    """
    Raises:
        ValueError: The file is not Python of this version.
    """
    try:
        tree = ast.parse(source, path)
    except SyntaxError as error:
        raise ValueError(f"{path}: line {error.lineno}: {error.msg}") from None
    file = _File(path, server)
    file.run(tree.body)
    return PythonFile(list(file.given.values()), file.code)


class _File:
    def __init__(self, path: str, server: Server) -> None:
        self.reader = Reader(path)
        self.options = by_name(server.options)
        self.given: dict[str, Given] = {}
        self.code: list[str] = []

    def run(self, body: Iterable[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._import(node)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self._function(node)
            elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
                self._assign(node)
            elif isinstance(node, ast.If):
                self._if(node)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                pass  # a docstring
            elif not isinstance(node, (ast.Pass, ast.ClassDef)):
                self._code(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        module = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
        for alias in node.names:
            if alias.name == "*":
                self.code.append(
                    f"line {node.lineno}: settings of {node.module}"
                    if isinstance(node, ast.ImportFrom)
                    else ""
                )
                continue
            name = alias.asname or (alias.name if module else alias.name.split(".")[0])
            full = module + (alias.name if module or alias.asname else name)
            self.reader.aliases[name] = full

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        row = self.options.get(node.name)
        if row is not None:
            self.given[node.name] = Given(row, "code", f"{node.name}() in line {node.lineno}")
        self.reader.names[node.name] = f"`{node.name}` is a function"

    def _assign(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> None:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign):
            if node.value is None:
                return
            targets, value = [node.target], node.value
        else:
            operand = (
                ast.Name(node.target.id, ast.Load())
                if isinstance(node.target, ast.Name)
                else node.value
            )
            targets, value = [node.target], ast.BinOp(operand, node.op, node.value)
            ast.copy_location(value, node)
            ast.fix_missing_locations(value)
        result: Static | str
        try:
            result = self.reader.read(value)
        except NotStatic as error:
            result = str(error)
        for target in targets:
            for name in _names(target):
                is_plain = isinstance(target, ast.Name)
                self._bind(
                    name,
                    result if is_plain else "several names are assigned at once",
                    f"{name} = {shown(value)}",
                )
        if isinstance(targets[0], (ast.Subscript, ast.Attribute)):
            self._code(node)

    def _bind(self, name: str, result: Static | str, text: str) -> None:
        self.reader.names[name] = result
        row = self.options.get(name)
        if row is None:
            return
        if isinstance(result, str):
            self.given[name] = Given(row, Unread(result), text)
        else:
            self.given[name] = Given(row, result.value, text, result.is_by_cores, result.variables)

    def _if(self, node: ast.If) -> None:
        try:
            test = self.reader.read(node.test)
        except NotStatic as error:
            self._unclear(node, str(error))
            return
        if test.variables or test.is_by_cores:
            self._unclear(node, f"it depends on `{shown(node.test)}`")
            return
        self.run(node.body if test.value else node.orelse)

    def _code(self, node: ast.stmt) -> None:
        self._unclear(node, f"line {node.lineno} is code that has to run")
        self.code.append(f"line {node.lineno}: {shown(node)}")

    def _unclear(self, node: ast.stmt, why: str) -> None:
        """Names that are assigned in there have no value that reading could tell."""
        for child in ast.walk(node):
            if isinstance(child, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
                targets = child.targets if isinstance(child, ast.Assign) else [child.target]
                for target in targets:
                    for name in _names(target):
                        self._bind(name, why, f"{name} in line {child.lineno}")
            elif isinstance(child, ast.FunctionDef):
                self._function(child)


def _names(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, (ast.Tuple, ast.List)):
        for part in target.elts:
            yield from _names(part)

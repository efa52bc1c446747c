"""The forms in which the command line names an application, taken apart: nothing is imported here.

    pkg                              a module; its usual names are tried
    pkg:app      pkg.app             an object of a module, by a path of attributes
    pkg:create_app()                 what a factory returns that is called without arguments
    pkg:create_app('prod', debug=False)

Rule: arguments are literals, so a command line never runs code that it spells out.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import ast


class SpecError(Exception):
    """The text has none of the forms; the message says what to write."""


class Call(NamedTuple):
    """The arguments of a factory."""

    positional: tuple[Any, ...]
    keywords: dict[str, Any]


class Spec(NamedTuple):
    """``names`` is empty if only the module is named. ``is_dotted``: without a colon, so the last
    parts of ``module`` may be attributes."""

    module: str
    names: tuple[str, ...]
    is_dotted: bool
    call: Call | None


def parse(text: str) -> Spec:
    """Take ``text`` apart.

    Raises:
        SpecError: It is none of the forms.
    """
    module, colon, expression = text.partition(":")
    if module.endswith(".py"):
        raise SpecError(_of_file(module, expression))
    names, call = _expression(text, expression) if expression.strip() else ((), None)
    if not all(part.isidentifier() for part in module.split(".")):
        head, bracket, _ = text.partition("(")
        path, _, name = head.rpartition(".")
        if not colon and bracket and path:
            raise SpecError(f"{text!r} needs a colon: write '{path}:{name}{text[len(head) :]}'")
        raise SpecError(f"{text!r} is not of the form MODULE:OBJECT")
    return Spec(module, names, not colon, call)


def _expression(text: str, expression: str) -> tuple[tuple[str, ...], Call | None]:
    """The path of attributes after the colon, and the arguments if it is called."""
    if all(part.isidentifier() for part in expression.split(".")):
        return tuple(expression.split(".")), None
    import ast  # only for this form

    try:
        node = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise SpecError(
            f"{text!r} is not of the form MODULE:OBJECT or MODULE:FACTORY(ARGUMENTS)"
        ) from None
    if not isinstance(node, ast.Call):
        raise SpecError(f"{text!r} is not of the form MODULE:OBJECT or MODULE:FACTORY(ARGUMENTS)")
    names = _path(node.func)
    if names is None:
        raise SpecError(f"{text!r}: only a name can be called, as in MODULE:FACTORY(ARGUMENTS)")
    positional = tuple(_literal(text, argument) for argument in node.args)
    keywords = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise SpecError(f"{text!r}: arguments are literals, without ** before them")
        keywords[keyword.arg] = _literal(text, keyword.value)
    return names, Call(positional, keywords)


def _path(node: ast.expr) -> tuple[str, ...] | None:
    """``a.b.c`` as its parts; ``None`` for anything else."""
    import ast

    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute):
        before = _path(node.value)
        return None if before is None else (*before, node.attr)
    return None


def _literal(text: str, node: ast.expr) -> Any:
    import ast

    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        shown = ast.unparse(node)
        hint = f"; did you mean '{shown}' in quotes?" if isinstance(node, ast.Name) else ""
        raise SpecError(f"{text!r}: {shown} is not a literal{hint}") from None


def of_file(path: str) -> tuple[str, str]:
    """The directory that the module in the file ``path`` is imported from, and its full name."""
    folder, name = os.path.split(path[: -len(".py")])
    parts = [] if name == "__init__" else [name]
    while folder and os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        parts.insert(0, package)
    return folder, ".".join(parts)


def _of_file(path: str, expression: str) -> str:
    """What to write in place of a file."""
    folder, module = of_file(path)
    missing = "" if os.path.isfile(path) else f"no such file: {path}; "
    change = "" if os.path.abspath(folder) == os.getcwd() else f"--chdir {folder} "
    written = f"{change}{module}" + (f":{expression}" if expression else "")
    return f"{missing}an application is named by its module, not by its file: {written}"

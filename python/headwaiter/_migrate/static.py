"""Values of Python expressions, found by reading them: nothing is executed.

``python_file.py`` asks for the value of each assignment. Literals, names assigned before,
arithmetic, formatting, a few functions without effects, the number of cores and the defaults of
environment variables are understood; anything else is :class:`NotStatic`, with the reason.
"""

from __future__ import annotations

import ast
import operator
import os
import re
from typing import Any, Callable, NamedTuple

_WIDE = re.compile(r"%[^%a-zA-Z]*(?:\d{4}|\*)")
"""A field of the % operator that may be very long."""
LONGEST = 65536
"""Of any value: a repeated string in a configuration file must not fill the memory."""


class NotStatic(Exception):
    """Only running the code could tell the value; the message is a sentence without its end."""


class Static(NamedTuple):
    """A value, and what it depends on."""

    value: Any
    is_by_cores: bool = False
    variables: tuple[str, ...] = ()


BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitOr: operator.or_,
}
COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "abs": abs,
    "len": len,
    "max": max,
    "min": min,
    "round": round,
    "list": list,
    "tuple": tuple,
    "os.path.join": os.path.join,
    "os.path.dirname": os.path.dirname,
    "os.path.abspath": os.path.abspath,
    "os.path.realpath": os.path.abspath,
    "os.path.basename": os.path.basename,
    "pathlib.Path": str,
}
METHODS = ("lower", "upper", "strip", "split", "format", "join", "replace", "title")
CORES = ("multiprocessing.cpu_count", "os.cpu_count", "os.process_cpu_count")
VARIABLES = ("os.environ.get", "os.getenv")


class Reader:
    """Evaluates expressions among ``names``; ``aliases`` are what imports have bound."""

    def __init__(self, path: str) -> None:
        self.names: dict[str, Static | str] = {"__file__": Static(os.path.abspath(path))}
        """A text instead of a value is the reason why the name has none."""
        self.aliases: dict[str, str] = {}

    def read(self, node: ast.expr) -> Static:
        """
        Raises:
            NotStatic: The value depends on something that only exists when the file runs.
        """
        used: list[Static] = []
        try:
            value = self._value(node, used)
        except NotStatic:
            raise
        except Exception as error:
            reason = _unset(used) or f"`{shown(node)}` fails: {error}"
            raise NotStatic(reason) from None
        if value is None and _unset(used):
            raise NotStatic(_unset(used))
        if hasattr(value, "__len__") and len(value) > LONGEST:
            raise NotStatic(f"`{shown(node)}` is very long")
        variables = dict.fromkeys(name for one in used for name in one.variables)
        return Static(value, any(one.is_by_cores for one in used), tuple(variables))

    def dotted(self, node: ast.expr) -> str:
        """The full name of a function or module, as far as imports tell; empty if it has none."""
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            owner = self.dotted(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        return ""

    def _value(self, node: ast.expr, used: list[Static]) -> Any:
        def value(part: ast.expr) -> Any:
            return self._value(part, used)

        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self._name(node, used)
        if isinstance(node, ast.Tuple):
            return tuple(value(part) for part in node.elts)
        if isinstance(node, (ast.List, ast.Set)):
            return [value(part) for part in node.elts]
        if isinstance(node, ast.Dict):
            if None in node.keys:
                raise NotStatic(f"`{shown(node)}` merges another dict")
            return {value(k): value(v) for k, v in zip(node.keys, node.values) if k is not None}
        if isinstance(node, ast.UnaryOp):
            return self._unary(node, value)
        if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
            return self._binary(node, value)
        if isinstance(node, ast.BoolOp):
            return self._boolean(node, value)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return COMPARE[type(node.ops[0])](value(node.left), value(node.comparators[0]))
        if isinstance(node, ast.IfExp):
            return value(node.body) if value(node.test) else value(node.orelse)
        if isinstance(node, ast.JoinedStr):
            return "".join(self._formatted(part, value) for part in node.values)
        if isinstance(node, ast.Subscript):
            return self._subscript(node, value)
        if isinstance(node, ast.Call):
            return self._call(node, used, value)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, value)
        raise NotStatic(f"`{shown(node)}` is code")

    def _name(self, node: ast.Name, used: list[Static]) -> Any:
        known = self.names.get(node.id)
        if isinstance(known, str):
            raise NotStatic(known)
        if known is None:
            raise NotStatic(f"`{node.id}` is not a plain value of this file")
        used.append(known)
        return known.value

    def _unary(self, node: ast.UnaryOp, value: Callable[[ast.expr], Any]) -> Any:
        operand = value(node.operand)
        if isinstance(node.op, ast.Not):
            return not operand
        if isinstance(node.op, ast.USub):
            return -operand
        raise NotStatic(f"`{shown(node)}` is code")

    def _binary(self, node: ast.BinOp, value: Callable[[ast.expr], Any]) -> Any:
        left, right = value(node.left), value(node.right)
        if isinstance(node.op, ast.Mult) and not all(
            isinstance(side, (int, float)) for side in (left, right)
        ):
            raise NotStatic(f"`{shown(node)}` repeats something")
        if isinstance(node.op, ast.Mod) and isinstance(left, str) and _WIDE.search(left):
            raise NotStatic(f"`{shown(node)}` has a format")
        if isinstance(node.op, ast.Div) and isinstance(left, str):
            return os.path.join(left, right)  # of pathlib
        return BINARY[type(node.op)](left, right)

    def _boolean(self, node: ast.BoolOp, value: Callable[[ast.expr], Any]) -> Any:
        result = None
        for part in node.values:
            result = value(part)
            if bool(result) is isinstance(node.op, ast.Or):
                break
        return result

    def _formatted(self, node: ast.expr, value: Callable[[ast.expr], Any]) -> str:
        if not isinstance(node, ast.FormattedValue):
            return str(value(node))
        spec = "" if node.format_spec is None else value(node.format_spec)
        if node.conversion == ord("r"):
            return format(repr(value(node.value)), spec)
        if (spec and not all(char in ".0123456789dfsx" for char in spec[-4:])) or len(spec) > 4:
            raise NotStatic(f"`{shown(node)}` has a format")
        return format(value(node.value), spec)

    def _subscript(self, node: ast.Subscript, value: Callable[[ast.expr], Any]) -> Any:
        if self.dotted(node.value) == "os.environ":
            raise NotStatic(f"{_variable(node.slice)} is set where it runs, and has no default")
        if isinstance(node.slice, ast.Slice):
            raise NotStatic(f"`{shown(node)}` is code")
        return value(node.value)[value(node.slice)]

    def _call(self, node: ast.Call, used: list[Static], value: Callable[[ast.expr], Any]) -> Any:
        name = self.dotted(node.func)
        if name in CORES:
            used.append(Static(None, is_by_cores=True))
            return os.cpu_count() or 1
        if name in VARIABLES:
            return self._variable(node, used, value)
        keywords = {each.arg: value(each.value) for each in node.keywords if each.arg}
        if len(keywords) < len(node.keywords):
            raise NotStatic(f"`{shown(node)}` is code")
        if name in FUNCTIONS:
            return FUNCTIONS[name](*map(value, node.args), **keywords)
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            owner = value(node.func.value)
            if isinstance(owner, str):
                self._check_format(node, owner)
                return getattr(owner, node.func.attr)(*map(value, node.args), **keywords)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "resolve":
            return os.path.abspath(value(node.func.value))
        raise NotStatic(f"`{shown(node.func)}()` would have to be called")

    def _check_format(self, node: ast.Call, text: str) -> None:
        """Only plain fields: a width may be a billion, and an attribute anything."""
        if isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            fields = text.replace("{{", "").split("{")[1:]
            if any(char in field.split("}")[0] for field in fields for char in ":.[!"):
                raise NotStatic(f"`{shown(node)}` has a format")

    def _variable(
        self, node: ast.Call, used: list[Static], value: Callable[[ast.expr], Any]
    ) -> Any:
        name = _variable(node.args[0]) if node.args else "a variable"
        default = node.args[1] if len(node.args) > 1 else None
        default = next((each.value for each in node.keywords if each.arg == "default"), default)
        used.append(Static(None, variables=(name,)))
        return None if default is None else value(default)

    def _attribute(self, node: ast.Attribute, value: Callable[[ast.expr], Any]) -> Any:
        if node.attr == "parent":
            return os.path.dirname(value(node.value))
        raise NotStatic(f"`{shown(node)}` is an attribute of something else")


def shown(node: ast.AST) -> str:
    """The code of ``node`` in one short line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _unset(used: list[Static]) -> str:
    """Why a value has none: a variable without a default."""
    names = [name for one in used for name in one.variables]
    return f"{names[0]} is set where it runs, and has no default" if names else ""


def _variable(node: ast.expr) -> str:
    return (
        node.value
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        else (f"the variable `{shown(node)}`")
    )

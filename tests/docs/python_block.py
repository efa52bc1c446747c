"""Runs a block of Python, as ``python -m tests.docs.python_block FOLDER FILE``.

The block runs as it stands. Names that it uses and does not define come from ``table.NAMES``,
modules that it invents from the scratch directory. ``serve`` and ``run`` serve for real, on a port
of the system's choice; a visitor asks for a page and stops the server. A block that only defines
an application has it served.

A package of others that is not installed ends the process with status 5.
"""

from __future__ import annotations

import ast
import builtins
import doctest
import importlib
import inspect
import symtable
import sys
import threading
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.error import HTTPError
from urllib.request import urlopen

import headwaiter
from headwaiter import server as server_module

from . import table

NOT_INSTALLED = 5
BOUND = 20.0
ADDRESSES = {"host", "port", "listen", "unix_socket", "bind"}
create_server = headwaiter.create_server


def served(application: Any, **adjustments: Any) -> headwaiter.Server:
    """``create_server`` on a port of the system's choice."""
    kept = {name: value for name, value in adjustments.items() if name not in ADDRESSES}
    if "admin" in kept:
        kept["admin"] = "127.0.0.1:0"
    created = create_server(application, listen="127.0.0.1:0", **kept)
    run = created.run

    def run_with_a_visitor() -> None:
        if threading.current_thread() is threading.main_thread():
            threading.Thread(target=visit, args=(created,)).start()
        run()

    created.run = run_with_a_visitor  # type: ignore[method-assign]
    return created


def serve(application: Any, **adjustments: Any) -> None:
    with served(application, **adjustments) as created:
        created.run()


def visit(created: headwaiter.Server) -> None:
    try:
        with urlopen(created.urls[0], timeout=BOUND) as reply:
            reply.read()
    except HTTPError as error:
        error.close()
    finally:
        created.close()


def run(text: str, name: str) -> dict[str, Any]:
    """The names that the block has defined."""
    given = {missing for missing in undefined(text, name) if missing in table.NAMES}
    while True:
        space: dict[str, Any] = {"__name__": "__main__", **{one: value_of(one) for one in given}}
        try:
            exec(compile(text, name, "exec"), space)
        except NameError as error:
            # Such as in `app = Middleware(app)`: bound, but later.
            missing = str(error).split("'")[1]
            if missing in given or missing not in table.NAMES:
                raise
            given.add(missing)
        else:
            return {key: value for key, value in space.items() if key not in given}


def value_of(name: str) -> Any:
    return eval(table.NAMES[name], {"hello": hello, "importlib": importlib, "mock": mock})


def undefined(text: str, name: str) -> set[str]:
    """Names that the block uses somewhere and binds nowhere."""
    tables = [symtable.symtable(text, name, "exec")]
    used: set[str] = set()
    bound = {"__file__", "__name__"}
    for scope in tables:
        tables += scope.get_children()
        for symbol in scope.get_symbols():
            is_bound = symbol.is_assigned() or symbol.is_imported() or symbol.is_parameter()
            (bound if is_bound else used).add(symbol.get_name())
    return {found for found in used - bound if not hasattr(builtins, found)}


def hello(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def is_application(value: Any) -> bool:
    return inspect.isfunction(value) and list(inspect.signature(value).parameters) == [
        "environ",
        "start_response",
    ]


def main(folder: Path, file: Path) -> int:
    text = file.read_text(encoding="utf-8")
    for module in (headwaiter, server_module):
        vars(module).update(serve=serve, create_server=served)
    sys.path.insert(0, str(folder))
    if text.lstrip().startswith(">>>"):
        parsed = doctest.DocTestParser().get_doctest(text, {}, file.name, str(file), 0)
        return int(doctest.DocTestRunner().run(parsed).failed > 0)
    try:
        names = run(text, str(file))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in table.PACKAGES:
            print(f"{error.name} is not installed", file=sys.stderr)
            return NOT_INSTALLED
        raise
    has_served = any(isinstance(node, ast.Name) and node.id == "serve" for node in tree(text))
    for value in names.values():
        if is_application(value) and not has_served:
            serve(value)
    return 0


def tree(text: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse(text)))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))

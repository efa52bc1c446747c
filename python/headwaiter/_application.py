"""Finds the application that the command line names.

Rules: an error of the command line (no such module, no such attribute, not callable) is an
:class:`ApplicationError` with one sentence. An error in the application's own code propagates;
:func:`own_traceback` removes the server's frames from its traceback.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import sys
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from headwaiter._settings.table import did_you_mean

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

USUAL_NAMES = ("application", "app", "wsgi_app")


class ApplicationError(Exception):
    """The command line names no application."""


def load(spec: str, *, call: bool = False) -> WSGIApplication:
    """Import ``MODULE:OBJECT``; with ``call`` the object is a factory, and is called.

    ``OBJECT`` may be dotted, and the colon may be a dot, as for ``waitress-serve``. The current
    directory is importable from then on.

    Raises:
        ApplicationError: ``spec`` names no application.
    """
    directory = os.getcwd()
    if directory not in sys.path:
        sys.path.append(directory)
    module_name, colon, attribute = spec.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), *_parts(attribute)]):
        raise ApplicationError(f"{spec!r} is not of the form MODULE:OBJECT")
    found: Any
    if colon:
        found, names = _import(module_name), _parts(attribute)
    else:
        found, names = _import_deepest(module_name.split("."))
    for name in names:
        found = _attribute(found, name)
    if call:
        if not callable(found):
            raise ApplicationError(f"{spec!r} cannot be called")
        found = found()
    if isinstance(found, ModuleType):
        raise ApplicationError(_only_a_module(found))
    if not callable(found):
        made = f"what {spec!r} returned" if call else f"{spec!r}"
        raise ApplicationError(f"{made} is not callable: it is of type {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def own_traceback(error: BaseException) -> TracebackType | None:
    """The traceback of ``error`` from the first frame of the application on.

    ``None`` if there is no such frame: then the application's code did not raise ``error``.
    """
    traceback = error.__traceback__
    while traceback is not None and _is_machinery(traceback.tb_frame.f_code.co_filename):
        traceback = traceback.tb_next
    return traceback


def _parts(dotted: str) -> list[str]:
    return dotted.split(".") if dotted else []


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not f"{name}.".startswith(f"{missing}.") or own_traceback(error) is not None:
            raise
    parent, _, last = missing.rpartition(".")
    path = getattr(sys.modules[parent], "__path__", []) if parent else sys.path
    near = did_you_mean(last, {module.name for module in pkgutil.iter_modules(path)})
    raise ApplicationError(f"no module named {missing!r} (searched from {os.getcwd()}){near}")


def _import_deepest(parts: list[str]) -> tuple[ModuleType, list[str]]:
    """The longest prefix of ``parts`` that is a module, and the rest, which must be attributes."""
    found = _import(parts[0])
    depth = 1
    with contextlib.suppress(ApplicationError):
        while depth < len(parts):
            found = _import(".".join(parts[: depth + 1]))
            depth += 1
    return found, parts[depth:]


def _attribute(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError as error:
        if own_traceback(error) is not None:  # raised by a __getattr__ of the application
            raise
    where = getattr(owner, "__name__", type(owner).__name__)
    near = did_you_mean(name, [known for known in dir(owner) if not known.startswith("__")])
    raise ApplicationError(f"{where!r} has no attribute {name!r}{near}")


def _only_a_module(module: ModuleType) -> str:
    for name in USUAL_NAMES:
        if callable(getattr(module, name, None)):
            return f"{module.__name__!r} is a module; did you mean '{module.__name__}:{name}'?"
    return f"{module.__name__!r} is a module, not an application: write MODULE:OBJECT"


def _is_machinery(filename: str) -> bool:
    folder = os.path.dirname
    return filename.startswith("<frozen ") or folder(filename) in (
        folder(__file__),
        folder(importlib.__file__),
    )

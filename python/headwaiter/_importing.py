"""Where the modules of an application come from, and what to say of one that is not found.

``_application.py`` imports by these rules. The current directory comes after Python's own modules
and before installed ones: a ``json.py`` of the project never replaces Python's under the server,
and the project's ``utils`` is found before somebody else's. ``--pythonpath`` comes first of all, as
``PYTHONPATH`` does.
"""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder

from headwaiter._process.interpreter import is_of_python
from headwaiter._settings.table import did_you_mean
from headwaiter._spec import of_file

DEPTH, MOST_FOLDERS = 2, 200
"""How far below the current directory a missing module is looked for, and in how many places."""
FOREIGN = ("node_modules", "venv", "env", "site-packages")


def put_first(directories: Iterable[str]) -> None:
    """Make ``directories`` (``--pythonpath``) the first places where modules are found."""
    given = [
        item for text in directories for item in text.replace(",", os.pathsep).split(os.pathsep)
    ]
    first = list(dict.fromkeys(os.path.abspath(item) for item in given if item))
    sys.path[:] = [*first, *(entry for entry in sys.path if entry not in first)]
    importlib.invalidate_caches()


def put_current_directory() -> None:
    """Make the current directory a place where modules are found."""
    directory = os.getcwd()
    main = sys.modules.get("__main__")
    is_module = getattr(main, "__spec__", None) is not None  # `python -m headwaiter`
    is_first = is_module and not getattr(sys.flags, "safe_path", False)
    if is_first and sys.path[:1] in ([directory], [""]):
        del sys.path[0]
    own = [at for at, entry in enumerate(sys.path) if is_of_python(entry)]
    end = own[-1] + 1 if own else len(sys.path)
    if directory not in sys.path[: end + 1]:
        sys.path.insert(end, directory)


def hidden(name: str) -> str:
    """Says that Python's own top-level module ``name`` hides one of the current directory. Empty if
    it does not."""
    own = pythons(name)
    local = _in(os.getcwd(), name)
    if not own or not local or os.path.realpath(own) == os.path.realpath(local):
        return ""
    or_first = "" if name in sys.modules else ", or put it first with --pythonpath ."
    return f"{name!r} is Python's own module ({own}), which hides {local}: rename yours{or_first}"


def pythons(name: str) -> str:
    """Where Python's own top-level module ``name`` is; empty if a module of this name would not be
    Python's own."""
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    if spec is None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return ""
    if spec is None:
        return ""
    if spec.origin in ("built-in", "frozen"):
        return str(getattr(spec.loader_state, "filename", None) or spec.origin)
    origin = spec.origin or ""
    folder = os.path.dirname(origin)
    if spec.submodule_search_locations is not None:
        folder = os.path.dirname(folder)
    return origin if origin and is_of_python(folder) else ""


def exists(name: str) -> bool:
    """Whether there is a top-level module ``name``, imported or not."""
    if name in sys.modules:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def missing(name: str, application: str) -> str:
    """The message for a module ``name`` that does not exist: what is like it, and where it is. The
    command line calls the application ``application``."""
    parent, _, last = name.rpartition(".")
    text = f"no module named {name!r} (searched from {os.getcwd()})"
    if parent:
        path = getattr(sys.modules[parent], "__path__", [])
        return text + did_you_mean(last, _names(path))
    elsewhere = _elsewhere(name)
    if elsewhere:
        folder, module = of_file(elsewhere)
        shown = f"--chdir {folder} " if folder else ""
        return f"{text}; there is {elsewhere}: write {shown}{module}{application[len(name) :]}"
    own, installed = _names([os.getcwd()]), _names(sys.path)
    return text + (did_you_mean(name, own) or did_you_mean(name, installed, cutoff=0.8))


def submodule(package: str, name: str) -> str:
    """The full name of the submodule ``name`` of a package that is imported; empty if there is
    none."""
    path = getattr(sys.modules.get(package), "__path__", None)
    full = f"{package}.{name}"
    return full if path is not None and PathFinder.find_spec(full, path) is not None else ""


def _names(path: Iterable[str]) -> set[str]:
    return {module.name for module in pkgutil.iter_modules(path)}


def _elsewhere(name: str) -> str:
    """A file of the module, above or below the current directory, as a relative path."""
    folders, below = [os.pardir], [""]
    for _ in range(DEPTH):
        below = [each for folder in below for each in _folders(folder)][:MOST_FOLDERS]
        folders += below
    return next(filter(None, (_in(folder, name) for folder in folders)), "")


def _folders(folder: str) -> list[str]:
    """The directories in a directory, without those that have no code of a project."""
    try:
        names = sorted(entry for entry in os.listdir(folder or os.curdir) if entry[0] not in "._")
    except OSError:
        return []
    paths = [os.path.join(folder, each) for each in names if each not in FOREIGN]
    return [path for path in paths if os.path.isdir(path)]


def _in(directory: str, name: str) -> str:
    """The file of the top-level module ``name`` in ``directory``; empty if there is none."""
    for path in (f"{name}.py", os.path.join(name, "__init__.py")):
        if os.path.isfile(os.path.join(directory, path)):
            return os.path.join(directory, path)
    return ""

"""What the Python interpreter offers: which build it is, and whether its threads are real ones."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from types import ModuleType


def python_build() -> str:
    """The interpreter in words, such as ``CPython 3.14.0 (free-threaded)``."""
    gil = "with the GIL"
    if is_free_threaded():
        gil = "free-threaded, but the GIL is on" if is_gil_enabled() else "free-threaded"
    return f"{python_version()} ({gil})"


def python_version() -> str:
    """Implementation and version, such as ``CPython 3.14.0``."""
    name = sys.implementation.name.replace("cpython", "CPython")
    return f"{name} {sys.version.split()[0]}"


def is_free_threaded() -> bool:
    """Whether this build of Python can run without the GIL."""
    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def is_gil_enabled() -> bool:
    enabled: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
    return enabled


def command(module: str) -> list[str]:
    """The command that runs a module of headwaiter's by this interpreter, with its flags.

    The current directory is no place for its modules: there a file of the application's that is
    called ``json.py`` would run in place of Python's own, in every process of the server.
    """
    import subprocess  # only for a parent

    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    if sys.version_info >= (3, 11):
        return [sys.executable, *flags, "-P", "-m", module]
    program = f"import sys; sys.path[:1] == [''] and sys.path.pop(0); {RUN}({module!r})"
    return [sys.executable, *flags, "-c", program]


def is_of_python(path: str) -> bool:
    """Whether the path, of a directory or a file, is one of the standard library."""
    if not path or path.startswith("<frozen "):
        return bool(path)
    real, library = os.path.realpath(path), os.path.realpath(sysconfig.get_path("stdlib"))
    if real == os.path.join(os.path.dirname(library), ARCHIVE):
        return True
    inside = real == library or real.startswith(library + os.sep)
    return inside and not {*real[len(library) :].split(os.sep)} & {*INSTALLED}


@contextmanager
def gil_watched() -> Iterator[list[str]]:
    """The names of the extension modules that turn the GIL on during the block.

    Python's own warning may be filtered, and filters belong to the application.
    """
    found: list[str] = []
    if is_gil_enabled():
        yield found
        return
    create = ExtensionFileLoader.create_module

    def watched(loader: ExtensionFileLoader, spec: ModuleSpec) -> ModuleType:
        was_on = is_gil_enabled()
        module = create(loader, spec)
        if is_gil_enabled() and not was_on:
            found.append(spec.name)
        return module

    ExtensionFileLoader.create_module = watched  # type: ignore[method-assign,assignment]
    try:
        yield found
    finally:
        ExtensionFileLoader.create_module = create  # type: ignore[method-assign]


def check_threads() -> None:
    """Refuse to run on green threads.

    Green threads share one native thread, and a worker that waits in native code blocks all of
    them.

    Raises:
        RuntimeError: A library has replaced Python's threads by its own.
    """
    for library, module, question, threads in (
        ("gevent", "gevent.monkey", "is_module_patched", "_thread"),
        ("eventlet", "eventlet.patcher", "is_monkey_patched", "thread"),
    ):
        ask = getattr(sys.modules.get(module), question, None)
        if ask is not None and ask(threads):
            raise RuntimeError(
                f"{library} has replaced Python's threads, on which the application is to run: "
                f"patch without threads (thread=False), or use {library}'s own server"
            )


RUN = "import runpy; runpy._run_module_as_main"
"""What ``-m`` does."""
ARCHIVE = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
INSTALLED = ("site-packages", "dist-packages")
"""Directories of packages that are not Python's own, some of which lie below its own."""

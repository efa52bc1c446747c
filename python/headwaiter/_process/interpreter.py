"""What the Python interpreter offers: which build it is, and whether its threads are real ones."""

from __future__ import annotations

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

"""``python -m headwaiter._watch``: tells the parent which files have changed.

``--since`` is a time in nanoseconds: a file that has changed since then, while this process
started, counts. ``--parent=7`` is the descriptor of a socket. A frame on it
(``_parent/channel.py``) says at first who watches, ``{"by": "watchfiles"}``, then what has changed,
``{"changed": "a.py and 5 more"}``. Rules: the process ends with the socket, and no signal to the
terminal's group ends it.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import json
import os
import socket
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator

from headwaiter._process import output, signals
from headwaiter._watch import events, polling
from headwaiter._watch.patterns import Patterns
from headwaiter._watch.tree import Tree, is_in

MOST_NAMED = 3
"""The most files that a log record names."""


def main() -> None:
    signals.leave_stops_to_parent()
    signals.leave_end_to_parent()
    parser = argparse.ArgumentParser(prog="headwaiter._watch", allow_abbrev=False)
    for name in ("parent", "since"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("include", "exclude"):
        parser.add_argument(f"--{name}", action="append", default=[])
    options = parser.parse_args()
    parent = socket.socket(fileno=options.parent)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    told = functools.partial(_tell_all, parent, os.getcwd())
    tree = Tree(watched(sys.path), Patterns(options.include, options.exclude))
    try:
        told("watchfiles", events.changes(tree, options.since))
    except ImportError:
        pass
    except BrokenPipeError:
        raise
    except (OSError, RuntimeError) as error:  # such as the system's limit of watches
        output.say(f"headwaiter: watchfiles: {error}")
    told("polling", polling.changes(tree, options.since))


def watched(path: Iterable[str]) -> list[str]:
    """The current directory, and where else modules of the user are: ``PYTHONPATH``, projects that
    are installed as editable; without directories that are in another."""
    python = {os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    found = {
        os.path.realpath(directory) for directory in ("", *path) if os.path.isdir(directory or ".")
    }
    own = {
        directory
        for directory in found
        if not any(is_in(directory, other) for other in python)
        and os.path.basename(directory) not in ("site-packages", "dist-packages")
    }
    return sorted(
        directory
        for directory in own
        if not any(is_in(directory, other) for other in own - {directory})
    )


def _tell_all(parent: socket.socket, directory: str, by: str, changes: Iterator[set[str]]) -> None:
    is_told = False
    for changed in changes:
        if not is_told:
            is_told = True
            _tell(parent, {"by": by})
        if changed:
            for path in changed:
                _forget_bytecode(path)
            _tell(parent, {"changed": named(changed, directory)})


def named(paths: Iterable[str], directory: str) -> str:
    """Files for the log: some of them, as seen from ``directory``, and how many there are."""
    inside = os.path.join(directory, "")
    shown = [path.removeprefix(inside) for path in sorted(paths)]
    more = len(shown) - MOST_NAMED
    names = ", ".join(path if path.isprintable() else ascii(path) for path in shown[:MOST_NAMED])
    return f"{names} and {more} more" if more > 0 else names


def _forget_bytecode(path: str) -> None:
    """Remove the bytecode of a module that has changed: Python would take it for that of the new
    text, if both have the same size and second."""
    if path.endswith(".py"):
        with contextlib.suppress(OSError, NotImplementedError):
            os.unlink(importlib.util.cache_from_source(path))


def _tell(parent: socket.socket, message: dict[str, str]) -> None:
    data = json.dumps(message).encode()
    parent.sendall(len(data).to_bytes(4, "big") + data)


def _end_with(parent: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while parent.recv(1):
            pass
    os._exit(0)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()

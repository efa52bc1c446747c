"""The template's own part of ``preload``: the application is loaded, and it forks children.

``_child.py`` loads the application and calls this. The parent's frames (``_parent/template.py``)
say ``take``, each with one descriptor of the next child, and then ``fork``. Rules: the template has
one thread, so that nothing is locked in a child for ever; it has no listener; a child is the
parent's, not the template's.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import logging
import os
import socket
import sys
import threading
import time
from argparse import Namespace
from typing import Any

from headwaiter import _headwaiter
from headwaiter._process import logs, signals
from headwaiter._settings.variables import SLOT_VARIABLE

READ = 65536
MOST_DESCRIPTORS = 8
"""Descriptors that may come with one read. The parent sends one with each frame."""

NOT_HERE = "preload: only on Linux"
PATIENCE = 0.25
"""Seconds for threads that end by themselves, such as those of a pool that has been shut down."""


class TemplateError(Exception):
    """Why this process cannot be a template."""


def settle() -> None:
    """Get ready for forks, after the application has been loaded.

    Raises:
        TemplateError: Other threads of Python run.
    """
    natives = refuse_threads()
    if natives:
        text = f"preload: native threads run, which a child does not have: {', '.join(natives)}"
        logs.say(logging.WARNING, text)
    signals.leave_end_to_parent()
    gc.collect()
    gc.freeze()  # the collector does not write to these objects any more


def refuse_threads() -> list[str]:
    """Refuse threads of Python, which a forked child does not have. Return the names of others.

    Raises:
        TemplateError: There are some.
    """
    end = time.monotonic() + PATIENCE
    while (natives := _native_threads()) and time.monotonic() < end:
        time.sleep(PATIENCE / 50)
    main = threading.main_thread()
    names = sorted(repr(each.name) for each in threading.enumerate() if each is not main)
    if names:
        raise TemplateError(
            f"preload: loading the application has started threads: {', '.join(names)}. A child has"
            " none of them, and what they have locked stays locked there. Start them after the fork"
            " (os.register_at_fork) or with the first request, or do without preload."
        )
    return natives


def _native_threads() -> list[str]:
    """The names of all threads but this one."""
    names, numbers, tasks = [], list[str](), "/proc/self/task"
    with contextlib.suppress(OSError):  # there may be no /proc
        numbers = os.listdir(tasks)
    for number in {*numbers} - {str(threading.get_native_id())}:
        with contextlib.suppress(OSError), open(f"{tasks}/{number}/comm", "rb") as file:
            name = file.read().strip().decode(errors="replace")  # the system cuts long names
            names.append(name if name.isprintable() else ascii(name))
    return sorted(names)


class Parent:
    """The control socket of the template."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.set_inheritable(False)
        self._received = bytearray()
        self._descriptors: list[int] = []
        """Those that have come and are not taken: a read may have that of the next child, too."""

    def __enter__(self) -> Parent:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._socket.close()
        for descriptor in self._descriptors:
            os.close(descriptor)

    def say(self, did: str, **more: object) -> None:
        data = json.dumps({"did": did, **more}).encode()
        with contextlib.suppress(OSError):  # it is gone
            self._socket.sendall(len(data).to_bytes(4, "big") + data)

    def forked(self) -> Namespace | None:
        """Fork the children that the parent asks for.

        Returns in each child, with what the parent has for it; in the template with ``None`` when
        it is to end.

        Raises:
            TemplateError: No descriptor is left.
        """
        self.say("ready")
        taken: dict[str, list[int]] = {}
        while (message := self._next()) is not None:
            if message["do"] == "take":
                taken.setdefault(message["name"], []).append(self._descriptors.pop(0))
            elif message["do"] == "fork":
                if self._is_child(message["slot"]):
                    own = {name: some[0] for name, some in taken.items() if name != "listen"}
                    return Namespace(slot=message["slot"], listen=taken["listen"], **own)
                for descriptor in itertools.chain(*taken.values()):
                    os.close(descriptor)
                taken = {}
            else:
                return None
        return None

    def _next(self) -> dict[str, Any] | None:
        """The next message; ``None`` at the end."""
        while len(self._received) < (end := 4 + int.from_bytes(self._received[:4], "big")):
            data, came, flags, _ = socket.recv_fds(self._socket, READ, MOST_DESCRIPTORS)
            for descriptor in came:
                os.set_inheritable(descriptor, False)
            self._descriptors += came
            if flags & socket.MSG_CTRUNC:
                raise TemplateError("preload: the template has no descriptor left")
            if not data:
                return None
            self._received += data
        message: dict[str, Any] = json.loads(self._received[4:end])
        del self._received[:end]
        return message

    def _is_child(self, slot: int) -> bool:
        """Fork a child; return whether this is the child.

        A process in between forks it and ends, so the child becomes a child of the parent, which is
        told when that is so. Until then the child waits.
        """
        if sys.platform != "linux":
            raise TemplateError(NOT_HERE)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError, ValueError):
                stream.flush()  # or each child would write what is left
        with signals.held_back(), contextlib.ExitStack() as opened:
            try:
                own, its = map(opened.enter_context, socket.socketpair())
                between = _headwaiter.fork_without_hooks()
            except OSError as error:
                self._say_forked(slot, f"cannot fork: {error}")
                return False
            if not between:
                _fork_between(slot, its)
                own.close()
                its.recv(1)
                signals.leave_stops_to_parent()
                return True
            with contextlib.suppress(ChildProcessError):  # the application ignores SIGCHLD
                os.waitpid(between, 0)
            try:
                told = own.recv(READ, socket.MSG_DONTWAIT).decode()
            except BlockingIOError:
                told = ""
            self._say_forked(slot, told or "the process that forks has died")
        return False

    def _say_forked(self, slot: int, told: str) -> None:
        pid = int(told) if told.isdigit() else 0
        self.say("forked", slot=slot, pid=pid, text=f"the template: {told}")


def _fork_between(slot: int, template: socket.socket) -> None:
    """In the process in between: fork the child, tell its process ID, and end. Returns in the
    child."""
    try:
        if sys.platform == "linux":
            _headwaiter.leave_with_parent()
        os.environ[SLOT_VARIABLE] = str(slot)  # before the hooks of the fork run
        child = os.fork()
        if not child:
            return
        told = str(child)
    except BaseException as error:
        told = f"cannot fork: {error}"
    with contextlib.suppress(OSError):  # the template has died
        template.sendall(told.encode())
    os._exit(0)

"""A test as the parent of one child: it listens, and speaks the control socket's protocol."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from headwaiter import _headwaiter

from ..support.http import TIMEOUT
from ..support.process import ROOT, ServerProcess, environment, flags


class Child(ServerProcess):
    """A child process with its control socket; ``say`` and ``hear`` are the parent's."""

    def __init__(
        self, app: str, settings: Mapping[str, object], slot: int = 3, python: tuple[str, ...] = ()
    ) -> None:
        with ExitStack() as theirs:
            self.control, its = socket.socketpair()
            theirs.enter_context(its)
            self.page = _headwaiter.Page(slots=4)
            inbox, sender = _headwaiter.inbox_pair()
            theirs.callback(os.close, inbox)
            theirs.callback(os.close, sender)
            listener = theirs.enter_context(socket.create_server(("127.0.0.1", 0)))
            passed = {
                "control": its.fileno(),
                "page": self.page.fileno(),
                "inbox": inbox,
                "listen": listener.fileno(),
            }
            own = [f"--slot={slot}", *(f"--{name}={number}" for name, number in passed.items())]
            argv = [sys.executable, *python, "-m", "headwaiter._child", *own, "--"]
            argv += [*flags({"listen": "127.0.0.1:1", **settings}), app]
            super().__init__(argv, environment(), ROOT, tuple(passed.values()))
            self.addresses.append(listener.getsockname())
        self.control.settimeout(TIMEOUT)

    def __enter__(self) -> Child:
        return self

    def say(self, what: str, descriptor: int = -1, **more: object) -> None:
        data = json.dumps({"do": what, **more}).encode()
        descriptors = [descriptor] if descriptor >= 0 else []
        socket.send_fds(self.control, [len(data).to_bytes(4, "big") + data], descriptors)

    def hear(self) -> dict[str, Any]:
        """The next message; empty at the end."""
        head = self.control.recv(4, socket.MSG_WAITALL)
        if not head:
            return {}
        length = int.from_bytes(head, "big")
        message: dict[str, Any] = json.loads(self.control.recv(length, socket.MSG_WAITALL))
        return message

    def answer(self, what: str, number: int) -> dict[str, Any]:
        """What the child answers to a numbered question."""
        self.say(what, n=number)
        message = self.hear()
        assert message["n"] == number, message
        return message

    def expect(self, did: str) -> dict[str, Any]:
        """The next message, which must be ``did``."""
        message = self.hear()
        assert message.get("did") == did, f"{message}\n{self.log}"
        return message

    def leave(self) -> None:
        """The parent goes."""
        self.control.close()

    def kill(self) -> None:
        super().kill()
        self.control.close()


def ready_child(app: str = "tests.support.apps:hello", **settings: object) -> Child:
    """A child that serves."""
    child = Child(app, settings)
    try:
        child.expect("ready")
    except BaseException:
        child.kill()
        raise
    return child

"""Errors of accept(2) about one connection, or about the listener: nobody else pays for them."""

from __future__ import annotations

import errno
import platform

import pytest

from tests.faults.refusing import ACCEPT4
from tests.support.process import start_server
from tests.support.target import headwaiter_only

pytestmark = [
    pytest.mark.skipif(platform.machine() not in ACCEPT4, reason="needs seccomp"),
    pytest.mark.skipif(platform.system() != "Linux", reason="needs seccomp"),
    headwaiter_only("it ends when accept fails in a way that it does not know"),
]
OF_A_CONNECTION = ["EPROTO", "EHOSTUNREACH", "EPERM", "ENETDOWN", "ENOPROTOOPT", "EOPNOTSUPP"]
OF_THE_LISTENER = ["EINVAL", "EACCES"]
OF_ROOM = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]


@pytest.mark.parametrize("name", OF_A_CONNECTION + OF_THE_LISTENER)
def test_idle_connections_stay(name: str) -> None:
    with start_server("tests.faults.refusing:app") as server:
        idle = [server.connect() for _ in range(10)]
        for client in idle:
            client.ask("/")
        idle[0].ask(f"/accept?{getattr(errno, name)}")
        newcomers = [server.connect() for _ in range(10)]
        server.wait_for_log("accepting pauses")
        for client in idle:
            client.expect_open()
        # It can still be told to stop.
        for client in newcomers:
            client.close()


@pytest.mark.parametrize("name", OF_ROOM)
def test_where_room_is_missing_the_longest_idle_makes_some(name: str) -> None:
    with start_server("tests.faults.refusing:app") as server:
        idle, busy = server.connect(), server.connect()
        idle.ask("/")
        busy.ask(f"/accept?{getattr(errno, name)}")
        newcomer = server.connect()
        idle.expect_closed()
        newcomer.close()

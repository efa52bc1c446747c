"""The I/O thread asks the kernel for short turns, which a filter of system calls may forbid."""

from __future__ import annotations

import ctypes
import platform
import struct
from pathlib import Path

import pytest

from tests.faults.refusing import SETATTR
from tests.support.process import start_server
from tests.support.target import headwaiter_only

pytestmark = [
    pytest.mark.skipif(platform.machine() not in SETATTR, reason="needs seccomp"),
    pytest.mark.skipif(platform.system() != "Linux", reason="needs seccomp"),
    headwaiter_only("others do not ask"),
]
GETATTR = {"x86_64": 315, "aarch64": 275}
ATTRIBUTES = "=IIQiIQQQ"
"""size, policy, flags, nice, priority, slice, deadline, period"""
SHORTEST = 100_000
UNIT = {"INVOCATION_ID": "0123456789abcdef0123456789abcdef"}


def test_a_unit_whose_filter_kills_is_served() -> None:
    env = {"KILL_SETATTR": "1", **UNIT}
    with start_server("tests.faults.refusing:app", env=env) as server, server.connect() as client:
        assert client.ask("/").status == 200


def test_its_slice_is_shorter_than_that_of_others() -> None:
    with start_server("tests.support.apps:hello") as server, server.connect() as client:
        client.ask("/")  # so it runs
        tasks = list(Path(f"/proc/{server.pid}/task").iterdir())
        slices = {task.joinpath("comm").read_text(): slice_of(task.name) for task in tasks}
    usual = slice_of("0")
    if usual == 0:
        pytest.skip("Linux before 6.12 has no slices")
    assert slices["headwaiter-io\n"] == SHORTEST < usual


def slice_of(thread: str) -> int:
    """The slice of a thread in nanoseconds (sched_getattr(2)); 0 for this one."""
    attributes = ctypes.create_string_buffer(struct.calcsize(ATTRIBUTES))
    call = GETATTR[platform.machine()]
    assert ctypes.CDLL(None).syscall(call, int(thread), attributes, len(attributes), 0) == 0
    return int(struct.unpack(ATTRIBUTES, attributes)[5])

"""An application in a process whose ``sendfile`` or ``accept`` is refused, as sandboxes do.

A seccomp filter (seccomp(2)) makes the call fail with ``REFUSE_SENDFILE``, an errno; 0 makes it
send nothing. With ``KILL_SETATTR``, ``sched_setattr`` ends the process. Filters belong to threads:
this one is installed when the command line imports the application, so before the server's threads,
which inherit it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable

from tests.support.apps import bulk, hello
from tests.support.wsgi import Environ, StartResponse

SENDFILE = {"x86_64": 40, "aarch64": 71}
"""The number of the call, by machine."""
ACCEPT4 = {"x86_64": 288, "aarch64": 242}
SETATTR = {"x86_64": 314, "aarch64": 274}
SECCOMP = {"x86_64": 317, "aarch64": 277}

SECCOMP_MODE_FILTER, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 2, 22, 38
SET_MODE_FILTER, EVERY_THREAD = 1, 1
ALLOW, FAIL_WITH, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06


def refuse(call: int, error: int, *, everywhere: bool = False) -> None:
    """Makes a system call fail with ``error`` in this thread and in those that it starts; or, from
    now on, in every thread of the process."""
    answer(call, FAIL_WITH | error, everywhere=everywhere)


def answer(call: int, action: int, *, everywhere: bool = False) -> None:
    """Makes the kernel do this in place of the call."""
    steps = [
        (LOAD, 0, 0, 0),  # the number of the call
        (JUMP_IF_EQUAL, 0, 1, call),
        (RETURN, 0, 0, action),
        (RETURN, 0, 0, ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if not failed and everywhere:
        number = SECCOMP[platform.machine()]
        failed = libc.syscall(number, SET_MODE_FILTER, EVERY_THREAD, program)
    elif not failed:
        failed = libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)
    if failed:
        raise OSError(ctypes.get_errno(), "the filter is refused")


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """``bulk``; ``/accept?ERRNO`` makes accept(2) fail from then on."""
    if environ["PATH_INFO"] == "/accept":
        error = int(environ["QUERY_STRING"])
        refuse(ACCEPT4[platform.machine()], error, everywhere=True)
        return hello(environ, start_response)
    return bulk(environ, start_response)


if "REFUSE_SENDFILE" in os.environ:
    refuse(SENDFILE[platform.machine()], int(os.environ["REFUSE_SENDFILE"]))
if "KILL_SETATTR" in os.environ:
    answer(SETATTR[platform.machine()], KILL_PROCESS)

"""An application in a process whose ``sendfile`` is refused, as sandboxes and file systems do.

A seccomp filter (seccomp(2)) makes the call fail with ``REFUSE_SENDFILE``, an errno; 0 makes it
send nothing. Filters belong to threads: this one is installed when the command line imports the
application, so before the server's threads, which inherit it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

from tests.support.apps import bulk

SENDFILE = {"x86_64": 40, "aarch64": 71}
"""The number of the call, by machine."""

SECCOMP_MODE_FILTER, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 2, 22, 38
ALLOW, FAIL_WITH = 0x7FFF0000, 0x00050000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06


def refuse(call: int, error: int) -> None:
    """Makes a system call fail with ``error`` in this thread and in those that it starts."""
    steps = [
        (LOAD, 0, 0, 0),  # the number of the call
        (JUMP_IF_EQUAL, 0, 1, call),
        (RETURN, 0, 0, FAIL_WITH | error),
        (RETURN, 0, 0, ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for arguments in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0),
    ):
        if prctl(*arguments):
            raise OSError(ctypes.get_errno(), f"prctl{arguments}")


refuse(SENDFILE[platform.machine()], int(os.environ["REFUSE_SENDFILE"]))
app = bulk

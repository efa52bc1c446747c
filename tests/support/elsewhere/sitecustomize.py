"""Takes from the interpreter what another system does not have. Python imports this at its start.

The variable ``ELSEWHERE`` names the system as ``sys.platform`` does. Modules of the standard
library that look for the system when they are imported are imported before. The extension is that
of this system; what it does not have elsewhere is taken from it, too. So this finds code that asks
for what is missing there. It does not find what is there and does something else.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import logging.config
import os
import select
import selectors
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import sysconfig
import tempfile
import traceback
import types
from pathlib import Path

BEFORE = [argparse, contextlib, importlib.metadata, json, logging.config, shutil, ssl, tempfile]
BEFORE += [subprocess, traceback]

ONLY_LINUX = {
    os: "eventfd memfd_create pidfd_open pipe2 sched_getaffinity sched_setaffinity waitid",
    select: "epoll",
    signal: "SIGPWR SIGRTMAX SIGRTMIN SIGSTKFLT sigtimedwait sigwaitinfo",
    socket: "MSG_CMSG_CLOEXEC MSG_NOSIGNAL SOCK_CLOEXEC SOCK_NONBLOCK SO_PEERCRED",
}
ONLY_POSIX = {
    os: """O_CLOEXEC O_NOCTTY O_NONBLOCK P_ALL P_PID SC_CLK_TCK WEXITED WIFEXITED WNOHANG WNOWAIT
        chown ctermid fork getegid geteuid getgid getuid killpg mkfifo pread register_at_fork
        setgid setsid setuid sysconf uname wait waitstatus_to_exitcode""",
    select: "PIPE_BUF poll",
    signal: """SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG
        SIGUSR1 SIGUSR2 SIGWINCH SIG_BLOCK SIG_SETMASK SIG_UNBLOCK alarm pthread_kill
        pthread_sigmask setitimer sigwait""",
    socket: "AF_UNIX MSG_DONTWAIT SO_REUSEPORT recv_fds send_fds",
}
NO_MODULE = ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty")
EXTENSION = """Control Overview Page ignore_signals inbox_pair leave_by_signals lingering_signals
    outlast_signal release_signals signal_action stop_came take_signals"""


def remove(names: dict[types.ModuleType, str]) -> None:
    for module, listed in names.items():
        for name in listed.split():
            vars(module).pop(name, None)


def memory_status(status: ctypes.Array[ctypes.c_uint64]) -> int:
    """What GlobalMemoryStatusEx does, for 8 GiB."""
    assert status[0] == ctypes.sizeof(status)  # the second number of 32 bits is zero
    status[1] = 8 << 30
    return 1


def socketpair() -> tuple[socket.socket, socket.socket]:
    """As on Windows: connected by TCP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    return one, other


def extension() -> types.ModuleType:
    """The extension module, without the package around it."""
    package = importlib.util.find_spec("headwaiter")
    assert package
    assert package.submodule_search_locations
    suffix = str(sysconfig.get_config_var("EXT_SUFFIX"))
    path = Path(package.submodule_search_locations[0]) / f"_headwaiter{suffix}"
    name = "headwaiter._headwaiter"
    loader = importlib.machinery.ExtensionFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


system = os.environ.get("ELSEWHERE", "")
if system:
    native = extension()
    sys.platform = system
    remove({**ONLY_LINUX, native: "adopt_orphans fork_without_hooks leave_with_parent"})
    selectors.DefaultSelector = selectors.SelectSelector  # type: ignore[misc, assignment]
if system == "win32":
    remove({**ONLY_POSIX, native: EXTENSION})
    sys.modules.update(dict.fromkeys(NO_MODULE))  # type: ignore[arg-type]
    sys.modules["msvcrt"] = types.ModuleType("msvcrt")
    socket.socketpair = socketpair  # type: ignore[assignment]
    kernel = types.SimpleNamespace(GlobalMemoryStatusEx=memory_status)
    ctypes.windll = types.SimpleNamespace(kernel32=kernel)  # type: ignore[attr-defined]

"""Processes and surroundings that break: each ends in a state that docs/processes.md lists."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support import procfs
from tests.support.http import TIMEOUT, Client
from tests.support.process import (
    ROOT,
    ServerProcess,
    environment,
    flags,
    run_cli,
    start_server,
)
from tests.support.waiting import eventually

if sys.platform != "win32":
    import resource

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one process there")
APP = "tests.processes.faulty:app"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def start(processes: int = 2, **settings: Any) -> ServerProcess:
    server = start_server(APP, processes=processes, threads=2, **settings)
    ready_pids(server, processes)
    return server


def ready_pids(server: ServerProcess, count: int) -> list[int]:
    """Wait until ``count`` processes were ready since the start; return their ids."""
    server.wait_for_log(rf"(?s)(pid \d+\) is ready.*){{{count}}}", 2 * TIMEOUT)
    return [int(pid) for pid in re.findall(r"pid (\d+)\) is ready", server.log)]


def pid(server: ServerProcess) -> int:
    reply = server.ask("/pid")
    assert reply.status == 200
    return int(reply.body)


def loading(fault: str, **settings: object) -> ServerProcess:
    """A server whose processes begin to load the application."""
    given = {"listen": "127.0.0.1:0", "processes": 2, **settings}
    argv = [
        sys.executable,
        "-m",
        "headwaiter",
        *flags(given),
        "--call",
        "tests.processes.faulty:load",
    ]
    return ServerProcess(argv, environment(FAULT=fault), ROOT, ())


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("crash", r"process \d was ended by SIGSEGV while it started"),
        ("leave/0", r"process \d exited with status 0 while it started"),
        ("leave_politely/0", r"ended the process while .* was loaded: sys\.exit\(0\)"),
        ("fail", r"(?s)failed to load\nTraceback .*ValueError: no database"),
        pytest.param("fill_memory", r"(?s)Traceback .*MemoryError", marks=LINUX),
    ],
)
def test_no_process_can_load(fault: str, text: str) -> None:
    with loading(fault) as server:
        assert server.wait() == 1
        assert len(re.findall(text, server.log)) == 1
        assert "Serving on" not in server.log


@pytest.mark.parametrize("fault", ["hang", "ignore_and_hang", "hold_the_gil"])
def test_loading_never_ends(fault: str, tmp_path: Path) -> None:
    control = tmp_path / "ctl"
    with loading(fault, control=control) as server:
        server.wait_for_log(r"(?s)(hanging.*){2}")
        server.signal(signal.SIGHUP)
        server.wait_for_log(r"(?s)(hanging.*){4}")
        assert run_cli("ctl", f"--control={control}", "stop").returncode == 0
        assert server.wait() == 0


@pytest.mark.parametrize(
    ("path", "end"), [("crash", "was ended by SIGSEGV"), ("leave/0", "exited with status 0")]
)
def test_a_process_that_dies_is_named_and_replaced(path: str, end: str) -> None:
    with start() as server:
        with server.connect() as client:
            client.request(f"/{path}")
            client.expect_cut()
        server.wait_for_log(rf"process \d {end}, running GET /{path} \(\d+\.\d s\)")
        assert pid(server) in ready_pids(server, 3)


def test_closed_descriptors() -> None:
    with start() as server:
        with server.connect() as client:
            client.request("/close_descriptors")
            client.expect_cut()
        server.wait_for_log(r"process \d (was ended by|exited with)")
        assert pid(server) in ready_pids(server, 3)


@LINUX
def test_memory_that_a_request_has_filled() -> None:
    with start() as server:
        assert server.ask("/fill_memory").status == 500
        assert pid(server) in ready_pids(server, 2)


def test_another_directory_and_session() -> None:
    with start() as server:
        for path in ("change_directory", "start_session"):
            assert server.ask(f"/{path}").status in (200, 500)  # a group leader has no new session
        server.signal(signal.SIGHUP)
        server.wait_for_log("every process is new")
        assert pid(server) in ready_pids(server, 4)


@pytest.mark.parametrize("path", ["hang", "hold_the_gil"])
def test_a_request_that_never_ends(path: str) -> None:
    with start(shutdown_timeout=1) as server, server.connect() as client:
        client.request(f"/{path}")
        server.wait_for_log("hanging")
        server.signal(signal.SIGTERM)
        assert server.wait() == 3
        assert re.search(rf"exited with status 3, running GET /{path} ", server.log)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_forked_orphan_does_not_keep_the_port(number: int) -> None:
    with start() as server:
        orphan = int(server.ask("/fork").body)
        try:
            server.signal(number)
            server.wait()
            assert server._ended  # the last process has closed standard error
            with pytest.raises(ConnectionRefusedError):
                server.connect()
        finally:
            os.kill(orphan, signal.SIGKILL)


@pytest.mark.parametrize("preload", [False, pytest.param(True, marks=LINUX)])
@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("fork_and_go_on/7", "the child has ended with 7"),
        ("fork_and_go_on", "(?s)came back to the server.*the child has ended with 1"),
    ],
)
def test_a_fork_while_the_application_is_loaded(fault: str, text: str, preload: bool) -> None:
    with loading(fault, preload=preload) as server:
        server.wait_for_log(text)
        ready_pids(server, 2)
        server.stop()


def test_signals_until_the_end() -> None:
    """A terminal signals the whole group, and people press keys more than once."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        with start() as server:
            pids = ready_pids(server, 2)
            while server.process.poll() is None:
                server.signal(number)
                for child in pids:
                    with suppress(ProcessLookupError):
                        os.kill(child, number)
            assert server.wait() == 0, server.log
            assert "Traceback" not in server.log


def test_signals_after_the_end_of_the_server_of_a_process() -> None:
    with start() as server:
        assert server.ask("/meet_late_signals").status == 200
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert "was ended by" not in server.log


def test_signals_at_the_start_of_a_process() -> None:
    """SIGINT that comes before the process has said what it means."""
    from headwaiter._process import signals

    program = (
        "import os, signal; os.kill(os.getpid(), signal.SIGINT)\n"
        "from headwaiter._process import signals; signals.leave_stops_to_parent()\n"
        "print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    )
    with signals.held_back():
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"False\n", b"")
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def exists(pid: int) -> bool:
    """Whether there is such a process, or its parent has not waited for it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def fill(pipe: int) -> None:
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x" * 65536)
    os.set_blocking(pipe, True)


@pytest.mark.parametrize("reads", [True, False])
def test_standard_error_that_nobody_reads(tmp_path: Path, reads: bool) -> None:
    """The pipe is full, or its reader is gone."""
    path = tmp_path / "serving"
    reader, writer = os.pipe()
    settings = {"unix-socket": path, "processes": 2, "log-level": "debug"}
    argv = [sys.executable, "-m", "headwaiter", *flags(settings), APP]
    if reads:
        fill(writer)
    else:
        os.close(reader)

    def answering() -> int:
        try:
            with Client(str(path)) as client:
                return int(client.ask("/pid").body)
        except (OSError, AssertionError):
            return 0

    process = subprocess.Popen(argv, env=environment(), cwd=ROOT, stderr=writer)
    try:
        eventually(lambda: answering() > 0, "a process answers", 3 * TIMEOUT)
        killed = answering()
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: answering() not in (0, killed), "another process answers")
        eventually(lambda: not exists(killed), "the parent knows")
        process.send_signal(signal.SIGTERM)
        assert process.wait(3 * TIMEOUT) == 0
    finally:
        process.kill()
        process.wait()
        for descriptor in (writer, *([reader] if reads else [])):
            os.close(descriptor)


def test_the_reason_of_a_failed_start_that_nobody_reads() -> None:
    reader, writer = os.pipe()
    fill(writer)
    argv = [sys.executable, "-m", "headwaiter", "--processes=2", "--listen=127.0.0.1:0"]
    argv += ["--call", "tests.processes.faulty:load"]
    try:
        done = subprocess.run(
            argv, env=environment(FAULT="fail"), cwd=ROOT, stderr=writer, timeout=60, check=False
        )
        assert done.returncode == 1
    finally:
        os.close(reader)
        os.close(writer)


def connected(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(TIMEOUT)
    sock.connect(str(path))
    return sock


@LINUX
def test_no_descriptor_is_left(tmp_path: Path) -> None:
    """Connections take the parent's descriptors: it refuses more, and starts no process until some
    are free again."""
    control = tmp_path / "ctl"
    with start(control=control) as server, ExitStack() as stack:
        victim = ready_pids(server, 2)[0]
        taken = {int(name) for name in os.listdir(f"/proc/{server.pid}/fd")}
        limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (max(taken) + 2, limits[1]))
        clients = [stack.enter_context(connected(control)) for _ in range(4)]
        assert clients[-1].recv(1) == b""
        os.kill(victim, signal.SIGKILL)
        server.wait_for_log(r"cannot start a process: .*Too many open files")
        assert pid(server) != victim
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
        ready_pids(server, 3)


def test_two_servers_with_one_pid_file_or_control_socket(tmp_path: Path) -> None:
    files: dict[str, Any] = {"pid_file": tmp_path / "pid", "control": tmp_path / "ctl"}
    with start(**files) as server:
        for name, why in (("pid_file", "is running"), ("control", "another server uses it")):
            ended = run_cli(
                "--listen=127.0.0.1:0", "--processes=2", *flags({name: files[name]}), APP
            )
            assert ended.returncode == 1
            assert why in ended.stderr
        assert files["pid_file"].read_text(encoding="ascii") == f"{server.pid}\n"
        status = run_cli("ctl", f"--control={files['control']}", "status")
        assert f"process {server.pid}" in status.stdout
        server.process.kill()
        server.wait()
    with start(**files) as server:  # what a killed server leaves is replaced
        assert files["pid_file"].read_text(encoding="ascii") == f"{server.pid}\n"


@LINUX
def test_the_backlog_is_answered_before_the_end() -> None:
    with start(backlog=1024) as server, ExitStack() as stack:
        children = ready_pids(server, 2)
        for child in children:
            os.kill(child, signal.SIGSTOP)
        eventually(lambda: all(map(procfs.is_stopped, children)), "processes that stand still")
        clients = [stack.enter_context(server.connect()) for _ in range(300)]
        for client in clients:
            client.request("/pid")
        server.signal(signal.SIGTERM)
        server.wait_for_log("SIGTERM: stopping")
        for child in children:
            os.kill(child, signal.SIGCONT)
        assert {client.reply().status for client in clients} == {200}
        assert server.wait() == 0
        with pytest.raises(ConnectionRefusedError):
            server.connect()


@pytest.mark.slow
def test_a_process_that_stands_still_is_killed() -> None:
    with start() as server, server.connect() as client:
        client.request("/stop")
        server.wait_for_log("no I/O thread answered for 10 s", 3 * TIMEOUT)
        server.wait_for_log("was ended by SIGKILL", 3 * TIMEOUT)
        client.expect_cut()
        assert pid(server) in ready_pids(server, 3)


def namespace(*command: str) -> list[str]:
    """The command as process 1 of a namespace; skips where that is not allowed."""
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*unshare, "true"], capture_output=True).returncode
    ):
        pytest.skip("no PID namespace here")
    return [*unshare, *command]


@LINUX
def test_process_1(tmp_path: Path) -> None:
    """It waits for orphans, and obeys signals that have no default action there."""
    given = {"listen": "127.0.0.1:0", "processes": 2}
    argv = namespace(sys.executable, "-m", "headwaiter", *flags(given), APP)
    with ServerProcess(argv, environment(), ROOT, ()) as server:
        server.wait_for_addresses(1)
        ready_pids(server, 2)
        number = int(server.ask("/fork").body)
        (parent,) = children_of(server.pid)
        for child in children_of(parent):
            os.kill(child, signal.SIGKILL)
        ready_pids(server, 4)
        orphan = next(child for child in children_of(parent) if has_number(child, number))
        os.kill(orphan, signal.SIGKILL)
        eventually(lambda: orphan not in children_of(parent), "the orphan is waited for")
        os.kill(parent, signal.SIGTERM)
        assert server.wait() == 0


def children_of(parent: int) -> list[int]:
    return list(map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split()))


def has_number(process: int, number: int) -> bool:
    """Whether the process has this number in its own namespace."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return re.search(rf"^NSpid:\s.*\b{number}$", status, re.MULTILINE) is not None


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="needs systemd")
def test_socket_activation(tmp_path: Path) -> None:
    """The sockets come from systemd, which keeps them; the manager hears what happens."""
    with (
        socket.create_server(("127.0.0.1", 0)) as free,
        socket.create_server(("127.0.0.1", 0)) as more,
    ):
        ports = [free.getsockname()[1], more.getsockname()[1]]
    told: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(2 * TIMEOUT)

        def hears(word: str) -> None:
            while not (told and told[-1].startswith(word)):
                told.append(manager.recv(4096).decode())

        argv = ["systemd-socket-activate", *(f"--listen=127.0.0.1:{port}" for port in ports)]
        argv += [f"--listen={tmp_path / 'admin'}", "--fdname=web:more:admin"]
        argv += ["-E", "NOTIFY_SOCKET", "-E", "WATCHDOG_USEC"]
        argv += ["-E", "PYTHONUNBUFFERED", sys.executable, "-m", "headwaiter", "--processes=2", APP]
        env = environment(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="500000")
        with ServerProcess(argv, env, ROOT, ()) as server:
            server.wait_for_log(rf"Listening on {tmp_path / 'admin'}")
            for port in ports:  # the first connection starts the server
                with Client(("127.0.0.1", port), 2 * TIMEOUT) as client:
                    assert client.ask("/pid").status == 200
            hears("READY=1")
            for port, name in zip(ports, ("web", "more")):
                server.wait_for_log(rf"Serving on http://127\.0\.0\.1:{port} \({name}\)\n")
            server.wait_for_log(rf"Showing what happens on unix:{tmp_path / 'admin'}\n")
            with Client(str(tmp_path / "admin")) as client:
                assert b"headwaiter-0" in client.ask("/stacks").body
            hears("WATCHDOG=1")
            server.signal(signal.SIGHUP)
            hears("RELOADING=1\nMONOTONIC_USEC=")
            hears("READY=1")
            server.signal(signal.SIGTERM)
            hears("STOPPING=1")
            assert server.wait() == 0
    assert any(word.startswith("STATUS=2 ready") for word in told)

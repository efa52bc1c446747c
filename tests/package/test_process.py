"""Servers as processes: signals, exit statuses, the banner, and the word to the service manager."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

BOUND = 20.0
PROGRAM = """
import os, signal, sys, threading, time
import headwaiter

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/stuck":
        print("stuck", flush=True)
        threading.Event().wait()
    return [b"hello"]
"""


@contextmanager
def started(
    folder: Path, arguments: Sequence[str], **environment: str
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with stopping(process):
        yield process


@contextmanager
def stopping(process: subprocess.Popen[str]) -> Iterator[None]:
    """No read from ``process`` in the block can hang for ever, and nothing of it is left."""
    watchdog = threading.Timer(BOUND, process.kill)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def end(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What is left to read; ``communicate`` would miss what reading lines has buffered."""
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = process.stdout.read(), process.stderr.read()
    process.wait(BOUND)
    return out, err


def address(process: subprocess.Popen[str]) -> str:
    """What the banner says."""
    assert process.stderr is not None
    for line in process.stderr:
        found = re.search(r"Serving on (\S+)", line)
        if found:
            return found[1]
    raise AssertionError("no banner")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


COMMAND = ["-m", "headwaiter", "--listen=127.0.0.1:0", "program:app"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_status_0(folder: Path, number: signal.Signals) -> None:
    with started(folder, COMMAND) as process:
        with urllib.request.urlopen(address(process), timeout=BOUND) as reply:
            assert reply.read() == b"hello"
        process.send_signal(number)
        _, err = end(process)
    assert process.returncode == 0
    assert "4 worker threads" in err
    assert f"{number.name}: finishing" in err


def test_a_second_signal_cuts_and_says_so(folder: Path) -> None:
    with started(folder, COMMAND) as process:
        host, port = address(process)[len("http://") :].split(":")
        with socket.create_connection((host, int(port)), timeout=BOUND) as client:
            client.sendall(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
            assert process.stdout is not None
            assert process.stdout.readline() == "stuck\n"
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            for line in process.stderr:
                if "finishing" in line:
                    break
            time.sleep(0.6)  # a second signal that comes sooner is the same stop
            process.send_signal(signal.SIGTERM)
            _, err = end(process)
    assert process.returncode == 3
    assert "leaving now" in err
    assert "had to be cut: 1" in err


def test_shutdown_timeout_cuts_too(folder: Path) -> None:
    with started(folder, [*COMMAND, "--shutdown-timeout=0.05"]) as process:
        host, port = address(process)[len("http://") :].split(":")
        with socket.create_connection((host, int(port)), timeout=BOUND) as client:
            client.sendall(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
            assert process.stdout is not None
            assert process.stdout.readline() == "stuck\n"
            process.send_signal(signal.SIGTERM)
            end(process)
    assert process.returncode == 3


def test_a_sigint_that_is_ignored_stays_so(folder: Path) -> None:
    program = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + PROGRAM
    (folder / "program.py").write_text(program)
    with started(folder, COMMAND) as process:
        address(process)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        _, err = end(process)
    assert process.returncode == 0
    assert "SIGINT" not in err
    assert "SIGTERM: finishing" in err


def test_serve_restores_handlers_and_lets_others_run(folder: Path) -> None:
    script = (
        PROGRAM
        + """
signal.signal(signal.SIGUSR1, lambda *_: print("usr1", flush=True))
before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
headwaiter.serve(app, listen="127.0.0.1:0")
after = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
print(before == after, signal.set_wakeup_fd(-1))
"""
    )
    with started(folder, ["-c", script]) as process:
        address(process)
        process.send_signal(signal.SIGUSR1)
        assert process.stdout is not None
        assert process.stdout.readline() == "usr1\n"
        process.send_signal(signal.SIGTERM)
        out, _ = end(process)
    assert process.returncode == 0
    assert out == "True -1\n"


def test_run_without_serve_ends_on_ctrl_c(folder: Path) -> None:
    script = (
        PROGRAM
        + """
server = headwaiter.create_server(app, listen="127.0.0.1:0")
print(flush=True)
server.run()
print("over")
"""
    )
    with started(folder, ["-c", script]) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = end(process)
    # The signal may arrive before run() waits; then Python's own handler ends the program.
    assert (process.returncode, out) == (0, "over\n") or err.endswith("KeyboardInterrupt\n")


def test_the_program_may_end_while_a_daemon_thread_serves(folder: Path) -> None:
    script = (
        PROGRAM
        + """
import urllib.request
server = headwaiter.create_server(app, listen="127.0.0.1:0")
threading.Thread(target=server.run, daemon=True).start()
print(urllib.request.urlopen(server.urls[0]).read())
"""
    )
    with started(folder, ["-c", script]) as process:
        out, err = end(process)
    assert (process.returncode, out, err) == (0, "b'hello'\n", "")


def test_serve_leaves_logging_that_is_set_up_alone(folder: Path) -> None:
    script = (
        PROGRAM
        + """
import logging
logging.basicConfig(level="INFO", format="mine %(message)s")
headwaiter.serve(app, listen="127.0.0.1:0")
"""
    )
    with started(folder, ["-c", script]) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("mine Serving on http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        _, err = end(process)
    assert process.returncode == 0
    assert all(line.startswith("mine ") for line in err.splitlines())


@pytest.mark.parametrize(
    ("setup", "own"),
    [
        ("logging.basicConfig(filename='app.log', format='own %(message)s')", True),
        ("""
h = logging.FileHandler('app.log')
h.setFormatter(type('F', (logging.Formatter,), {'format': lambda s, r: 'own ' + r.msg % r.args})())
logging.getLogger().addHandler(h)
logging.getLogger().setLevel('INFO')
""", True),
        ("logging.getLogger('headwaiter').addHandler(logging.FileHandler('app.log'))", False),
        ("logging.getLogger('site').addHandler(logging.NullHandler())", False),
    ],
    ids=["basicConfig", "formatter", "headwaiter", "none"],
)  # fmt: skip
def test_the_application_sets_up_logging(folder: Path, setup: str, own: bool) -> None:
    """It is loaded first; every line comes once, wherever it goes."""
    if "'headwaiter'" in setup:
        setup += "\nlogging.getLogger('headwaiter').setLevel('INFO')"
    (folder / "program.py").write_text(f"import logging\n{setup}\n{PROGRAM}")
    with started(folder, COMMAND, PYTHONUNBUFFERED="1") as process:
        log = folder / "app.log"
        if "app.log" in setup:
            eventually(lambda: log.exists() and "Ctrl-C" in log.read_text(), "the banner")
            url = log.read_text().split("Serving on ")[1].split()[0]
        else:
            url = address(process)
        with urllib.request.urlopen(url, timeout=BOUND) as reply:
            assert reply.read() == b"hello"  # by now it minds its signals
        process.send_signal(signal.SIGTERM)
        _, err = end(process)
    assert process.returncode == 0
    if "app.log" in setup:
        assert err == ""
        text = log.read_text()
        for word in ("Serving on", "SIGTERM: finishing"):
            assert text.count(word) == 1, text
        assert own == all(line.startswith("own ") for line in text.splitlines())
    else:
        assert err.count("SIGTERM: finishing") == 1


SILENCING = """
import logging.config
logging.config.dictConfig({
    "version": 1,  # and disable_existing_loggers is true
    "handlers": {"own": {"class": "logging.StreamHandler"}},
    "root": {"level": "INFO", "handlers": ["own"]},
})
def app(environ, start_response):
    1 / 0
"""


@pytest.mark.parametrize(
    "start",
    [
        [*COMMAND[:2], "--log-level=info", *COMMAND[2:]],
        ["-c", "import program, waitress; waitress.serve(program.app, listen='127.0.0.1:0')"],
    ],
    ids=["level", "waitress"],
)
def test_a_configuration_that_disables_other_loggers_does_not_silence_the_server(
    folder: Path, start: list[str]
) -> None:
    (folder / "program.py").write_text(SILENCING)
    with started(folder, start, HEADWAITER_AS_WAITRESS="1") as process:
        with pytest.raises(urllib.error.HTTPError, match="500") as answer:
            urllib.request.urlopen(address(process), timeout=BOUND)
        answer.value.close()
        process.send_signal(signal.SIGTERM)
        _, err = end(process)
    assert process.returncode == 0
    assert "ZeroDivisionError" in err
    assert "SIGTERM: finishing" in err


def test_service_manager_passes_sockets_and_hears_of_us(folder: Path, tmp_path: Path) -> None:
    starter = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, "-m", "headwaiter", "program:app"])
"""
    path = str(tmp_path / "notify")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        socket.create_server(("127.0.0.1", 0)) as sock,
    ):
        manager.bind(path)
        manager.settimeout(BOUND)
        process = subprocess.Popen(
            [sys.executable, "-c", starter, str(sock.fileno())],
            cwd=folder,
            env={**os.environ, "NOTIFY_SOCKET": path},
            pass_fds=[sock.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with stopping(process):
            assert manager.recv(100) == b"READY=1"
            url = f"http://127.0.0.1:{sock.getsockname()[1]}"
            assert address(process) == url
            with urllib.request.urlopen(url, timeout=BOUND) as reply:
                assert reply.read() == b"hello"
            process.send_signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            end(process)
    assert process.returncode == 0


@pytest.mark.parametrize("where", ["--port=0", "HEADWAITER_LISTEN", "my.toml"])
def test_passed_sockets_beside_another_address_are_refused(folder: Path, where: str) -> None:
    """Clients connect to the sockets already, and would wait for ever."""
    starter = """
import os, socket, sys
sock = socket.create_server(("127.0.0.1", 0))
os.dup2(sock.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, "-m", "headwaiter", *sys.argv[1:], "program:app"])
"""
    (folder / "my.toml").write_text('host = "127.0.0.1"\n')
    flags = {"--port=0": ["--port=0"], "my.toml": ["--config=my.toml"]}.get(where, [])
    environment = {where: "127.0.0.1:0"} if where.startswith("HEADWAITER") else {}
    with started(folder, ["-c", starter, *flags], **environment) as process:
        _, err = end(process)
    assert process.returncode == 2
    line = err.splitlines()[0]
    assert line.startswith("headwaiter: LISTEN_FDS: the service manager passes sockets")
    assert line.endswith(f" or {where.split('=')[0]}")


def activated(
    folder: Path, names: str, *flags: str, host: str = "127.0.0.1", **env: str
) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    """The server, started with two sockets on ``host``, which have these names."""
    starter = """
import os, socket, sys
host = sys.argv.pop(1)
for number in (4, 3):
    sock = socket.create_server((host, 0))
    os.dup2(sock.fileno(), number)
    os.set_inheritable(number, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2")
os.execv(sys.executable, [sys.executable, "-m", "headwaiter", *sys.argv[1:], "program:app"])
"""
    return started(folder, ["-c", starter, host, *flags], LISTEN_FDNAMES=names, **env)


def test_a_passed_socket_with_the_name_admin_serves_the_admin_endpoint(folder: Path) -> None:
    with activated(folder, "web:admin") as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(2)]
        serving, admin = (re.findall(r"http://\S+", line)[0] for line in lines)
        assert f"Serving on {serving} (web)\n" in lines[0]
        assert "Showing what happens on" in lines[1]
        with urllib.request.urlopen(serving, timeout=BOUND) as reply:
            assert reply.read() == b"hello"
        with urllib.request.urlopen(f"{admin}/metrics", timeout=BOUND) as reply:
            assert b"headwaiter_" in reply.read()
        process.send_signal(signal.SIGTERM)
        end(process)
    assert process.returncode == 0


def test_the_port_of_a_platform_says_nothing_beside_passed_sockets(folder: Path) -> None:
    with activated(folder, "web:admin", PORT="1") as process:
        assert not address(process).endswith(":1")
        process.send_signal(signal.SIGTERM)
        end(process)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("names", "flags", "host", "expected"),
    [
        (
            "web:admin",
            ["--admin=127.0.0.1:0"],
            "127.0.0.1",
            "take it away, or --admin",
        ),
        ("admin:web", [], "0.0.0.0", "is not loopback; set admin_public"),
    ],
)
def test_a_passed_socket_for_the_admin_endpoint_that_is_refused(
    folder: Path, names: str, flags: list[str], host: str, expected: str
) -> None:
    with activated(folder, names, *flags, host=host) as process:
        _, err = end(process)
    assert process.returncode == 2
    assert err.startswith("headwaiter: LISTEN_FDS: ")
    assert expected in err.splitlines()[0]


def test_sockets_meant_for_another_process_are_left_alone(folder: Path) -> None:
    with started(folder, COMMAND, LISTEN_PID="1", LISTEN_FDS="1") as process:
        assert address(process).startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        end(process)
    assert process.returncode == 0


def test_what_the_service_manager_passes_must_be_a_socket(folder: Path) -> None:
    starter = """
import os, sys
os.dup2(os.open(os.devnull, os.O_RDONLY), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, "-m", "headwaiter", "program:app"])
"""
    with started(folder, ["-c", starter]) as process:
        _, err = end(process)
    assert process.returncode == 2
    assert err.startswith("headwaiter: LISTEN_FDS: ")


def test_a_forked_child_has_servers_of_its_own_only(folder: Path) -> None:
    script = (
        PROGRAM
        + """
import logging, urllib.request, warnings
warnings.simplefilter("ignore")  # newer Pythons warn of forks beside threads
logging.basicConfig(level="ERROR")  # below, a busy machine has its say

def running():
    server = headwaiter.create_server(app, listen="127.0.0.1:0")
    thread = threading.Thread(target=server.run)
    thread.start()
    assert urllib.request.urlopen(server.urls[0]).read() == b"hello"
    return server, thread

server, thread = running()
child = os.fork()
own = running() if child == 0 else (server, thread)
if child:
    assert os.waitpid(child, 0)[1] == 0
    assert urllib.request.urlopen(server.urls[0]).read() == b"hello"
own[0].close()
own[1].join()
print("over", flush=True)
"""
    )
    with started(folder, ["-c", script]) as process:
        out, err = end(process)
    assert (process.returncode, out, err) == (0, "over\nover\n", "")


@pytest.mark.parametrize("how", ["serve", "command"])
def test_green_threads_are_refused(folder: Path, how: str) -> None:
    pytest.importorskip("gevent")
    (folder / "green.py").write_text(
        "from gevent import monkey; monkey.patch_all(); from program import *"
    )
    script = "from green import *; headwaiter.serve(app, listen='127.0.0.1:0')"
    command = ["-m", "headwaiter", "--listen=127.0.0.1:0", "green:app"]
    with started(folder, ["-c", script] if how == "serve" else command) as process:
        _, err = end(process)
    assert process.returncode == 1
    assert "gevent has replaced Python's threads" in err
    assert "Traceback" not in err or how == "serve"


def test_the_rest_of_gevent_does_no_harm(folder: Path) -> None:
    """What the refusal recommends."""
    pytest.importorskip("gevent")
    script = (
        "from gevent import monkey; monkey.patch_all(thread=False)\n"
        "from program import *; headwaiter.serve(app, listen='127.0.0.1:0')"
    )
    with started(folder, ["-c", script]) as process:
        with urllib.request.urlopen(address(process), timeout=BOUND) as reply:
            assert reply.read() == b"hello"
        process.send_signal(signal.SIGTERM)
        end(process)
    assert process.returncode == 0


def test_an_interrupt_while_the_application_is_loaded(folder: Path) -> None:
    (folder / "slow.py").write_text(
        "import time; print('loading', flush=True)\nwhile True: time.sleep(0.01)"
    )
    with started(folder, ["-m", "headwaiter", "slow:app"]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        _, err = end(process)
    assert (process.returncode, err) == (130, "headwaiter: interrupted\n")


@pytest.mark.parametrize("arguments", [[*COMMAND[2:], "--check-config"], ["--help"]])
def test_output_that_nobody_reads(folder: Path, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "headwaiter", *arguments],
        cwd=folder,
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=BOUND,
        check=False,
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (0, b"")


def test_standard_streams_that_are_closed(folder: Path) -> None:
    """Their numbers must not become those of sockets, which warnings would be written to."""
    (folder / "told.py").write_text(
        "def app(environ, start_response):\n"
        "    environ['wsgi.errors'].write('said\\n')\n"
        "    start_response('200 OK', [])\n"
        "    import os\n"
        "    return [os.readlink(f'/proc/self/fd/{n}').encode() + b' ' for n in range(3)]\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    command = f"exec {sys.executable} -m headwaiter --listen=127.0.0.1:{port} told:app <&- >&- 2>&-"
    with subprocess.Popen(["sh", "-c", command], cwd=folder) as process:
        try:
            body = b""
            end = time.monotonic() + BOUND
            while not body and time.monotonic() < end:
                with contextlib.suppress(OSError):
                    body = urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=BOUND).read()
            assert body == b"/dev/null " * 3
        finally:
            process.terminate()
    assert process.returncode == 0

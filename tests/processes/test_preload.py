"""``preload``: a template loads the application and forks the processes that serve."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes.load import Load
from tests.processes.test_faults import loading
from tests.processes.test_serving import who
from tests.support import procfs
from tests.support.http import TIMEOUT
from tests.support.process import ROOT, ServerProcess, run_cli, start_server
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="refused elsewhere")
APP = "tests.processes.preloaded:application"
LOADED = "tests.processes.loaded:application"
MIB = 1 << 20


def start(app: str = APP, processes: int = 2, **settings: Any) -> ServerProcess:
    """A server whose processes are all ready."""
    server = start_server(app, processes=processes, preload=True, **settings)
    serving(server, processes)
    return server


def serving(server: ServerProcess, count: int) -> list[int]:
    """Wait until ``count`` processes were ready since the start; return their ids."""
    server.wait_for_log(rf"(?s)(process \d+ \(pid \d+\) is ready.*){{{count}}}", 2 * TIMEOUT)
    return [int(pid) for pid in re.findall(r"process \d+ \(pid (\d+)\) is ready", server.log)]


def templates(server: ServerProcess, count: int) -> list[int]:
    """Wait until ``count`` templates were ready since the start; return their ids."""
    server.wait_for_log(rf"(?s)(template \(pid \d+\) is ready.*){{{count}}}", 2 * TIMEOUT)
    return [int(pid) for pid in re.findall(r"template \(pid (\d+)\) is ready", server.log)]


def answered_by(server: ServerProcess, **told: int) -> None:
    """Ask until a process answers that tells this."""
    eventually(lambda: who(server).items() >= told.items(), str(told))


def private(pid: int) -> int:
    """Memory that the process shares with no other, in bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return sum(int(size) * 1024 for size in re.findall(r"Private_\w+: +(\d+)", text))


def test_the_application_is_loaded_once(tmp_path: Path) -> None:
    with start(control=tmp_path / "ctl") as server:
        [template], pids = templates(server, 1), serving(server, 2)
        found = who(server)
        assert found["loader"] == template
        assert found["pid"] in pids
        [[pid, slot]] = found["forked"]  # hooks run once, in the process that stays
        assert pid == found["pid"]
        assert slot in ("0", "1")
        assert sorted(procfs.children(server.pid)) == sorted([template, *pids])
        status = run_cli("ctl", f"--control={tmp_path / 'ctl'}", "status").stdout
        assert re.search(rf"(?m)^template +{template} +ready", status)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            os.kill(template, number)  # the parent alone decides when it ends
        os.kill(pids[0], signal.SIGKILL)
        answered_by(server, pid=serving(server, 3)[-1], loader=template)
        server.stop()


def test_memory_is_shared() -> None:
    with start() as server:
        for pid in serving(server, 2):
            assert private(pid) < 32 * MIB
        server.stop()


def test_a_reload_takes_a_new_template_and_loses_nothing() -> None:
    with start(LOADED) as server:
        with Load(server.address, {"keep_alive": 1, "newcomers": 1}) as load:
            for count in (1, 2):
                server.signal(signal.SIGHUP)
                server.wait_for_log(rf"(?s)(every process is new.*){{{count}}}", 2 * TIMEOUT)
        assert load.failures == []
        assert load.counts["replies"] > 0
        *earlier, last = templates(server, 3)
        eventually(lambda: not set(earlier) & {*procfs.children(server.pid)}, "their end")
        assert last in procfs.children(server.pid)
        server.stop()


def test_after_a_failed_reload_the_earlier_template_goes_on(tmp_path: Path) -> None:
    site, control = tmp_path / "site_.py", f"--control={tmp_path / 'ctl'}"
    site.write_text(f"from {APP.replace(':', ' import ')}\n", encoding="ascii")
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    with start("site_:application", env={"PYTHONPATH": path}, control=tmp_path / "ctl") as server:
        [template], pids = templates(server, 1), serving(server, 2)
        site.write_text("raise RuntimeError('half of it is missing')\n", encoding="ascii")
        failed = run_cli("ctl", control, "reload")
        assert failed.returncode == 1
        assert "RuntimeError: half of it is missing" in failed.stderr
        os.kill(pids[0], signal.SIGKILL)
        answered_by(server, pid=serving(server, 3)[-1], loader=template)
        assert procfs.children(server.pid)[0] == template
        server.stop()


def test_the_death_of_a_template_changes_no_process(tmp_path: Path) -> None:
    control = f"--control={tmp_path / 'ctl'}"
    with start(control=tmp_path / "ctl") as server:
        [template], before = templates(server, 1), serving(server, 2)
        os.kill(template, signal.SIGSTOP)
        server.signal(signal.SIGTTIN)
        eventually(
            lambda: "2 - starting" in " ".join(run_cli("ctl", control, "status").stdout.split()),
            "a fork, whose process ID is not known yet",
        )
        os.kill(template, signal.SIGKILL)
        server.wait_for_log("the template was ended by SIGKILL")
        assert who(server)["pid"] in before
        new = templates(server, 2)[1]
        assert serving(server, 3)[:2] == before
        answered_by(server, loader=new)
        server.stop()


def test_recycled_processes_come_from_the_same_template() -> None:
    with start(processes=1, max_requests=1) as server:
        [template] = templates(server, 1)

        def opened() -> list[int]:
            return [len(procfs.descriptors(pid)) for pid in (server.pid, template)]

        first = opened()
        for count in (1, 2, 3):
            answered_by(server, pid=serving(server, count)[-1], loader=template)
        # The inboxes of processes that are gone are closed after a second.
        eventually(lambda: opened() == first, "the descriptors of the start")
        server.stop()


def test_no_process_has_descriptors_of_another(tmp_path: Path) -> None:
    with start(processes=1, control=tmp_path / "ctl") as server:
        [template] = templates(server, 1)
        os.kill(template, signal.SIGSTOP)
        run_cli("ctl", f"--control={tmp_path / 'ctl'}", "scale", "3")
        os.kill(template, signal.SIGCONT)  # it reads what is for both at once
        pids = serving(server, 3)
        eventually(
            lambda: len({len(procfs.descriptors(pid)) for pid in pids}) == 1,
            "as many descriptors in each process",
        )
        server.stop()


def test_orphans_are_waited_for_when_it_was_turned_off(tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text("preload = true", encoding="ascii")
    with start_server("tests.processes.faulty:app", processes=1, config=config) as server:
        serving(server, 1)
        config.write_text("preload = false", encoding="ascii")
        server.signal(signal.SIGHUP)
        pid = serving(server, 2)[-1]
        server.wait_for_log("every process is new")
        orphan = int(server.ask("/fork").body)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: orphan in procfs.children(server.pid), "the parent has it")
        os.kill(orphan, signal.SIGKILL)
        eventually(lambda: orphan not in procfs.children(server.pid), "it was waited for")
        server.stop()


def test_an_upgrade_adopts_the_template(tmp_path: Path) -> None:
    with start(control=tmp_path / "ctl") as server:
        before = [*templates(server, 1), *serving(server, 2)]
        done = run_cli("ctl", f"--control={tmp_path / 'ctl'}", "upgrade")
        assert done.returncode == 0, done.stderr
        template = templates(server, 2)[1]
        assert who(server)["loader"] == template
        eventually(lambda: not {*before} & {*procfs.children(server.pid)}, "the end of the earlier")
        server.stop()


@pytest.mark.parametrize("check_config", [False, True])
def test_threads_of_the_application_are_named(check_config: bool) -> None:
    more = {"check_config": True} if check_config else {}
    with loading("start_thread/poller", preload=True, **more) as server:
        assert server.wait() == 1
        assert "has started threads: 'poller'" in server.log


def test_threads_that_end_by_themselves_get_a_moment() -> None:
    program = (
        "import os, threading, time\n"
        "from headwaiter import _template\n"
        "threading.Thread(target=time.sleep, args=(0.05,)).start()\n"
        "_template.settle()\n"
        "print(os.listdir('/proc/self/task') == [str(os.getpid())])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"True\n", b"")


def test_names_of_native_threads() -> None:
    program = (
        "import threading, time\n"
        "from headwaiter import _template\n"
        "def named():\n"
        "    with open('/proc/thread-self/comm', 'wb') as file:\n"
        "        file.write('a number of ümlauts'.encode()[:13])\n"
        "    time.sleep(60)\n"
        "threading.Thread(target=named, daemon=True).start()\n"
        "while ascii(_template._native_threads()) != ascii(['a number of \\ufffd']):\n"
        "    time.sleep(0.001)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=TIMEOUT)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("fail", "ValueError: no database"),
        ("leave_politely/7", r"sys.exit\(7\)"),
        ("leave/7", "the template exited with status 7"),
        ("crash", "the template was ended by SIGSEGV"),
    ],
)
def test_an_application_that_cannot_be_loaded(fault: str, text: str) -> None:
    with loading(fault, preload=True) as server:
        assert server.wait() == 1
        assert len(re.findall(text, server.log)) == 1
        assert "Serving on" not in server.log


@pytest.mark.parametrize("fault", ["ignore_and_hang", "hold_the_gil"])
def test_loading_that_never_ends(fault: str) -> None:
    with loading(fault, preload=True) as server:
        server.wait_for_log("hanging")
        server.signal(signal.SIGHUP)
        server.wait_for_log("(?s)(hanging.*){2}")
        server.stop()


def test_a_template_that_loads_leaves_with_its_parent() -> None:
    with loading("hold_the_gil", preload=True) as server:
        server.wait_for_log("hanging")
        server.process.kill()
        server.wait()
        assert server._ended  # the template has closed standard error


def test_all_leave_with_their_parent() -> None:
    with start() as server:
        server.process.kill()
        server.wait()
        assert server._ended

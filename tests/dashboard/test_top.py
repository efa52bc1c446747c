"""``headwaiter top`` on a terminal, in a pipe, and without a server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headwaiter._top import command, view
from headwaiter._top.figures import Figures, figures
from headwaiter._top.status import Unreachable, fetch

from .fake_admin import FakeAdmin
from .scenarios import SCENARIOS, Story

if sys.platform == "win32":
    pytest.skip("a terminal is simulated by a pseudo-terminal", allow_module_level=True)

import pty

from .terminal import TerminalProgram

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


def seen(scenario: str, seconds: int = 5) -> list[Figures]:
    """What ``top`` knows after watching a scenario for some seconds."""
    story = Story(scenario)
    statuses = [story.advance() for _ in range(seconds)]
    return [figures(None, statuses[0]), *map(figures, statuses, statuses[1:])]


def picture(scenario: str, width: int = 100, height: int | None = None, **more: str) -> list[str]:
    lines = view.render(seen(scenario), width, height, blocks=view.BLOCKS, **more)
    return [view.bare(line) for line in lines]


def watching(admin: FakeAdmin, *options: str, **env: str) -> TerminalProgram:
    return TerminalProgram("top", admin.address, *options, env=env)


def headwaiter(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "headwaiter", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, **env},
    )


@pytest.mark.parametrize(
    ("scenario", "wanted"),
    [
        ("asleep", [r"^TOO FEW THREADS$", r"^Queue .*█  12 wait, the oldest for 1.5 s$",
                    r"^GIL .*▁  at most 3 % held; got in 0.10 ms$", r"^Time +q{50,}C?a{15,}$",
                    r"^3      asleep .* GET /orders/103 "]),
        ("gil", [r"^THE GIL IS THE LIMIT$", r"^GIL .*█  98 % held; got in 10.2 ms|10 ms$",
                 r"^0      computing .* POST /render", r"^1      wants the GIL .* GET /report.pdf",
                 r"^2      idle +held back for the GIL$"]),
        ("cpu", [r"^THE CPU IS USED UP$", r"^CPU .*█  1.97 of 2 cores$", r"^0      wants a core "]),
        ("idle", [r"^IDLE$", r"^Queue +nothing waits$", r"^0      idle$"]),
        ("slow-clients", [r"^SLOW CLIENTS$", r"^Time +C?a?f{80,}$", r"f=flush \d.\d s"]),
        ("free-threaded", [r"GIL off", r"^0      computing "]),
        ("processes", [r"^SLOT +STATE +PID +AGE +BUSY +WAITING +CONNECTIONS +MEMORY +REQ/S$",
                       r"^0 +ready +4712 +9\d s +2/4 +0 +6 +50 MiB +(4\d|5\d)$",
                       r"^0\.1 +\w+ .* GET / ", r"^1\.3    idle$"]),
        ("silent-process", [r"^1 +ready \(silent\) +4713 .* 0$"]),
    ],
)  # fmt: skip
def test_says_and_shows_what_is_wrong(scenario: str, wanted: list[str]) -> None:
    text = "\n".join(picture(scenario))
    missing = [pattern for pattern in wanted if not re.search(pattern, text, re.MULTILINE)]
    assert missing == [], text
    assert ("% held" in text) == SCENARIOS[scenario].gil


@pytest.mark.parametrize("width", [20, 40, 75, 76, 100, 237])
@pytest.mark.parametrize("height", [5, 24, 60])
@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_fits_every_terminal(scenario: str, width: int, height: int) -> None:
    lines = picture(scenario, width, height, trouble="The server cannot be reached: it is asleep.")
    assert max(map(len, lines)) <= width
    assert len(lines) <= height


def test_counts_what_does_not_fit() -> None:
    # 46 of 48 workers are busy and 30 requests wait: what has run for longest comes first.
    lines = picture("many", height=20)
    table = lines.index(next(line for line in lines if line.startswith("WORKER"))) + 1
    assert lines[-1] == f"... and {46 + 30 - (20 - table - 1)} more"
    ages = [int(line[21:29].removesuffix(" ms")) for line in lines[table:-1]]
    assert ages == sorted(ages, reverse=True)
    assert ages[0] > 450


def test_what_clients_sent_is_printable_ascii() -> None:
    text = "\n".join(picture("hostile", width=200))
    assert "GET /<img src=x onerror=\"document.title='owned'\">&amp;\\u202egnp.exe\\x1b[31m" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)


HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e\n\ud800é"


def hostile(value: object) -> Iterator[object]:
    """``value``, once for each text and number in it, which is then text that steers a terminal."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: changed} for changed in hostile(inner))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for changed in hostile(inner):
                yield [*value[:index], changed, *value[index + 1 :]]
    else:
        yield HOSTILE


def test_nothing_that_an_endpoint_says_steers_the_terminal() -> None:
    """Not even in the place of a number: what cannot be shown is no status."""
    story = Story("asleep")
    before, after = story.advance(), story.advance()
    shown = refused = 0
    for status in hostile(after):
        try:
            now = command._learn(before, status)  # type: ignore[arg-type]
        except Unreachable:
            refused += 1
            continue
        lines = view.render([now], 100, None, blocks=view.BLOCKS, trouble=HOSTILE)
        shown += any("\\x1b]0;owned" in view.bare(line) for line in lines[2:])
        for line in lines:
            text = view.bare(line)
            assert re.fullmatch(f"[ -~{view.BLOCKS}]*", text), text
            assert len(text) <= 100
    assert shown >= 8, "the pid, the version, the advice, numbers of workers ..."
    assert refused >= 8


def test_does_without_the_clocks_that_a_system_lacks() -> None:
    story = Story("gil")
    story.clocks = False
    now = figures(story.advance(), story.advance())
    text = "\n".join(map(view.bare, view.render([now], 100, None, blocks=" #")))
    assert re.search(r"^0      running .* ms       -  POST /render", text, re.MULTILINE), text
    assert "cores" not in text.split("Requests")[1]


def test_a_restart_begins_anew() -> None:
    before, after = Story("asleep").advance(), Story("idle", pid=4712).advance()
    assert sum(figures(before, after).outcomes.values()) == 0
    assert figures(before, after).phases is None


def test_stays_and_leaves_the_terminal_as_it_was() -> None:
    with FakeAdmin("asleep") as admin, watching(admin) as program:
        program.wait_for("TOO FEW THREADS")
        assert ENTER in program.output
        assert program.modes() != program.modes_before
        program.press("x")  # no key of ours
        admin.wait_for_polls(1)
        program.press("q")
        assert program.wait() == 0
        assert program.output.endswith(LEAVE)
        assert program.modes() == program.modes_before


def test_refreshes() -> None:
    with FakeAdmin("asleep") as admin, watching(admin, "--interval=0.1") as program:
        program.wait_for("TOO FEW THREADS")
        admin.story.scenario = SCENARIOS["gil"]
        program.wait_for("THE GIL IS THE LIMIT")


@pytest.mark.parametrize(
    ("leave", "status"),
    [("\x03", 0), (signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGHUP, 128 + signal.SIGHUP)],
)
def test_gives_the_terminal_back(leave: str | signal.Signals, status: int) -> None:
    with FakeAdmin("ok") as admin, watching(admin) as program:
        program.wait_for("ALL WELL")
        if isinstance(leave, str):
            program.press(leave)
        else:
            program.send(leave)
        assert program.wait() == status
        assert program.output.endswith(LEAVE)
        assert program.modes() == program.modes_before


def test_ctrl_z_lends_the_terminal_to_the_shell() -> None:
    with FakeAdmin("ok") as admin, watching(admin) as program:
        program.wait_for("ALL WELL")
        program.send(signal.SIGTSTP)
        _, state = os.waitpid(program.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(state)
        program.wait_for(LEAVE, screen=False)
        assert program.modes() == program.modes_before
        program.output = ""
        program.send(signal.SIGCONT)
        program.wait_for(ENTER, screen=False)
        program.wait_for("ALL WELL")
        program.press("q")
        assert program.wait() == 0


def test_follows_the_size_of_the_terminal() -> None:
    with FakeAdmin("ok") as admin, watching(admin, "--interval=60") as program:
        program.wait_for("CLIENT")
        program.output = ""
        program.resize(60, 20)  # of which the kernel tells the program
        program.wait_for("ALL WELL")
        assert "CLIENT" not in program.screen
        assert max(map(len, program.screen.splitlines())) <= 60


def test_says_that_the_server_is_silent_and_recovers() -> None:
    with FakeAdmin("ok") as admin, watching(admin, "--interval=0.1") as program:
        program.wait_for("ALL WELL")
        admin.silent = True
        program.wait_for("The server cannot be reached: ")
        admin.raw, admin.silent = b'{"server": {}}', False
        program.wait_for("its answer is of another version")
        admin.raw = None
        admin.story.scenario = SCENARIOS["idle"]
        program.wait_for("IDLE")
        assert "cannot be reached" not in program.screen


def test_the_exit_status_says_that_the_server_was_gone() -> None:
    with FakeAdmin("ok") as admin, watching(admin, "--interval=0.1") as program:
        program.wait_for("ALL WELL")
        admin.silent = True
        program.wait_for("The server cannot be reached: ")
        program.press("q")
        assert program.wait() == 1
        assert f"headwaiter top: no status from {admin.address}: " in program.output.split(LEAVE)[1]


def test_without_colour_where_none_is_wanted() -> None:
    with FakeAdmin("gil") as admin:
        with watching(admin, NO_COLOR="1") as program:
            program.wait_for("THE GIL IS THE LIMIT")
            assert not re.search(r"\x1b\[[0-9;]*m", program.output)
        with watching(admin) as program:
            program.wait_for("THE GIL IS THE LIMIT")
            assert "\x1b[1;31mTHE GIL IS THE LIMIT\x1b[0m" in program.output


@pytest.mark.parametrize("once", [[], ["--once"]])
def test_prints_one_picture_into_a_pipe(once: list[str], tmp_path: Path) -> None:
    with FakeAdmin("asleep", path=str(tmp_path / "admin.sock")) as admin:
        done = headwaiter("top", admin.address, "--interval=0.1", *once)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nTOO FEW THREADS\n" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stdout.count("asleep  ") >= 4
    assert done.stdout.count("queued") == 12


def into(output: int, admin: FakeAdmin, redirected: str = "") -> tuple[int, str]:
    """The exit status of one picture, and what was said about it."""
    script = f'exec "$0" -m headwaiter top "$1" --interval=0.1 {redirected}'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable, admin.address],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr


def test_an_output_that_nobody_reads_is_no_failure() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with FakeAdmin("ok") as admin:
        assert into(writer, admin) == (0, "")
        assert into(writer, admin, ">&-") == (0, "")
    os.close(writer)


def test_a_terminal_that_is_closed_is_no_failure() -> None:
    """One that is not the program's own, so that no SIGHUP comes."""
    primary, secondary = pty.openpty()
    with FakeAdmin("ok") as admin:
        program = subprocess.Popen(
            [sys.executable, "-m", "headwaiter", "top", admin.address, "--interval=0.1"],
            stdin=subprocess.DEVNULL,
            stdout=secondary,
            stderr=subprocess.PIPE,
            env={**os.environ, "TERM": "xterm"},
            start_new_session=True,
        )
        os.close(secondary)
        assert os.read(primary, 1)
        os.close(primary)
        _, says = program.communicate(timeout=30)
    assert (program.returncode, says) == (0, b"")


def test_an_output_that_is_lost_is_a_failure() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no such device")
    with FakeAdmin("ok") as admin:
        says = "headwaiter: the output cannot be written: No space left on device\n"
        assert into(subprocess.DEVNULL, admin, ">/dev/full") == (1, says)


@pytest.mark.parametrize("raw", [b'{"server": {}}', b'{"server": 1}', b"[" * 100_000])
def test_an_answer_of_another_version_is_none(raw: bytes) -> None:
    with FakeAdmin("ok") as admin:
        admin.raw = raw
        done = headwaiter("top", admin.address, "--interval=0.1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"headwaiter top: no status from {admin.address}: its answer is ")
    assert "Traceback" not in done.stderr


def test_needs_no_unicode() -> None:
    with FakeAdmin("gil") as admin:
        done = headwaiter("top", admin.address, "--interval=0.1", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "@  98 % held" in done.stdout


def test_the_environment_names_the_address() -> None:
    with FakeAdmin("idle") as admin:
        done = headwaiter("top", "--interval=0.1", HEADWAITER_ADMIN=admin.address)
    assert "\nIDLE\n" in done.stdout


def test_says_that_there_is_no_server(tmp_path: Path) -> None:
    with FakeAdmin("ok") as admin:
        gone = admin.address
    for address in (gone, str(tmp_path / "admin.sock"), f"unix:{tmp_path}/admin.sock"):
        done = headwaiter("top", address)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"headwaiter top: no status from {address}: ")
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("address", ["::1", "host:", "host:0", "host:99999", "host:x"])
def test_says_that_an_address_makes_no_sense(address: str) -> None:
    done = headwaiter("top", address)
    assert done.returncode == 2
    assert re.match(r"headwaiter top: '.*'", done.stderr)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"\xff"])
def test_says_that_it_is_no_admin_endpoint(raw: bytes) -> None:
    with FakeAdmin("ok") as admin:
        admin.raw = raw or b" "
        with pytest.raises(Unreachable, match="is it headwaiter's admin endpoint"):
            fetch(admin.address)


@pytest.mark.parametrize("form", ["{host}:{port}", "{port}", ":{port}", "http://{host}:{port}/"])
def test_takes_every_form_of_an_address(form: str) -> None:
    with FakeAdmin("ok") as admin:
        host, port = admin.address.split(":")
        assert fetch(form.format(host=host, port=port))["server"]["pid"] == 4711


def test_an_application_may_live_in_a_module_called_top(tmp_path: Path) -> None:
    done = headwaiter("top:app", "--check-config", "--threads=3")
    assert done.returncode == 1, "there is none here, and it was looked for"
    assert "no module named 'top'" in done.stderr
    assert re.search(r"^threads +3 ", done.stdout, re.MULTILINE)


def test_many_processes_leave_room_for_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    many = replace(SCENARIOS["processes"], threads=64, processes=32)
    monkeypatch.setitem(SCENARIOS, "32 processes", many)
    lines = picture("32 processes", height=40)
    (more,) = (n for n, line in enumerate(lines) if line.endswith("more processes"))
    assert lines[more + 2].startswith("WORKER")
    assert len(lines) > more + 4


def test_one_process_beside_a_parent_has_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCENARIOS, "one", replace(SCENARIOS["processes"], processes=1))
    text = "\n".join(picture("one"))
    assert "SLOT" not in text
    assert re.search(r"^7      idle$", text, re.MULTILINE)

"""``examples/concurrency``: each demo runs, and says what ``docs/concurrency.md`` says.

Times are printed by the demos, and not looked at here.
"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.process import ROOT, environment
from tests.support.target import headwaiter_only

from . import EXAMPLES

pytestmark = headwaiter_only("the demos import headwaiter")

DEMOS = EXAMPLES / "concurrency"
PAGE = ROOT / "docs/concurrency.md"
SECONDS = r"\d+\.\d+ s"
RATE = r"\d+ replies per second"

SAYS = {
    "q01_at_once": "4 are inside the application, 6 wait in the queue",
    "q02_where": r"(?s)/waits-for-its-client .*: flush.*/waits-in-the-queue .*: queue",
    "q03_slow_one": r"(?s)20 of 20 .* waits in the queue\n.* gets 200$",
    "q04_shared": r"60 requests ran on 3 threads: headwaiter-0, headwaiter-1, headwaiter-2\n.*: 3,",
    "q05_gthread": r"occupy 4 of 4\n.* occupy 0 of 4; a visitor gets 200",
    "q06_gil": rf"(?m)^/computes-in-python +{SECONDS} +{SECONDS} +\d+\.\d$",
    "q07_computing": "20 of 20 quick requests are answered",
    "q08_io_thread": r"(?s)20 of 20 health .*20 of 20 malformed .*8 MiB .*status 200",
    "q09_more_threads": r"(?m)^threads=16 +\d+ +\d+$",
    "q10_one_core": r"--threads=4 --processes=2 +\d\.\d cores in use",
    "q11_processes": r"(?s)counter of the module: 40 = 40\n.*counter of the module: [\d+ ]+ = 40\n",
    "q12_without_gil": rf"the GIL is (?:on|off)\none .*: {SECONDS}, two at once: {SECONDS}",
    "q13_how_many": rf"1 \+ 45/5 = 10 threads\n(?:threads=\d+ +{RATE}, \d+ at most\n){{4}}",
    "q14_by_itself": r"threads: 1 -> 2: .*(?:\n.*)*threads: \d -> 8: ",
    "q15_thousand": rf"4 threads: {RATE} .*\n1000 threads: {RATE}",
    "q16_latency": rf"clients 17 to 20: {SECONDS} in the view, {SECONDS} in all",
    "q17_queue_depth": r"headwaiter.queue: Task queue depth is 5; 2 of 2 workers busy.*\n.* 7 of 7",
    "q18_few_visitors": r"4 run on 4 threads, 2 wait\nthe page is complete: 6 parts",
    "q19_bounded": r"(?s)gets 503, Retry-After: 1\n.*200, 200, 200.*gets 503\n.*application: 0",
    "q20_own_threads": r"10 requests are answered, 0 workers are busy\n.* still run: 10",
    "q21_long_job": r"(?s)202, Location: /jobs/1\n.*running.* GET / gets 200\n.*done",
    "q22_slow_upload": r"0 threads busy, .* ran 0 times\n.* 200 .*\n.*10 replies, .* 10 times",
    "q23_slow_download": r"threads busy: 0\na visitor gets 200 meanwhile\n.*: 80 MiB",
    "q24_stream": r"threads busy: 2; a visitor waits in the queue\n.* the visitor gets 200",
    "q25_idle": r"0 threads busy, 0 requests waiting\na visitor gets 200\n.*\nclosed: 9",
    "q26_channel_timeout": r"HTTP/1.1 200 OK after .*\n.* closes it \(b''\)",
    "q27_pipelined": r"1 ran at a time\n.*: 1 2 3 4 5; answered: 1 2 3 4 5",
    "q28_client_left": r"client left: True\n3 .*: 0 ran\n1 .*: 1 ran",
    "q29_stuck": r"(?s)gate.wait\(\).*\(stuck_after\): another .* a visitor gets 200\n.* gets 200",
    "q30_health": r"(?s)10 of 10 .* in the queue\n.* answers 503\n.*: 200 and 200\n.* answers 200",
    "q31_stop": r"(?s)(200, Connection: close\n.*){2}exit status 0.* got 0 bytes\nexit status 3",
    "q32_own_thread_at_end": r"exit status 0\n.*threads to end: my-poller'\n.*exit status 0",
    "q33_beside": r"a visitor gets 200\n.*\nclose\(\) has returned",
}
# These take about three seconds or more.
SLOW = {
    *("q02_where", "q06_gil", "q09_more_threads", "q10_one_core", "q11_processes"),
    *("q13_how_many", "q14_by_itself", "q15_thousand", "q31_stop", "q32_own_thread_at_end"),
}
# They need a FIFO and POSIX signals.
POSIX = {"q08_io_thread", "q10_one_core", "q31_stop", "q32_own_thread_at_end"}


def demo(name: str) -> object:
    marks = [pytest.mark.slow] if name in SLOW else []
    if name in POSIX:
        marks.append(pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX"))
    return pytest.param(name, marks=marks)


@pytest.mark.parametrize("name", [demo(name) for name in SAYS])
def test_a_demo_says_what_happens(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, str(DEMOS / f"{name}.py")],
        env=environment(),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    assert re.search(SAYS[name], ended.stdout.strip() + "\n"), ended.stdout


def test_each_question_has_its_demo_and_each_demo_its_question() -> None:
    """The questions are the headings of the page, with a link to the demo below."""
    text = PAGE.read_text(encoding="utf-8")
    sections = re.findall(r"(?ms)^### (.+?)\n(.*?)(?=^##|\Z)", text)
    asked = {}
    for question, section in sections:
        linked = re.findall(r"\(\.\./examples/concurrency/(\w+)\.py\)", section)
        assert len(linked) == 1, question
        asked[linked[0]] = question
    files = sorted(path.stem for path in DEMOS.glob("q*.py"))
    assert sorted(SAYS) == sorted(asked) == files
    for name, question in asked.items():
        source = (DEMOS / f"{name}.py").read_text(encoding="utf-8")
        assert source.startswith(f'"""{question}"""\n'), name
    assert list(asked) == files, "the numbers follow the page"

"""The dashboard in a real browser: does it say what the server suffers from, and nothing else?"""

from __future__ import annotations

import json
import re

import pytest

from .conftest import Open
from .fake_admin import DASHBOARD, FakeAdmin
from .scenarios import HOSTILE_PATH, SCENARIOS, Story

LANES = "[...document.querySelectorAll('#lanes .lane')].map(lane => lane.dataset.state)"
ADVICE = "document.querySelector('#advice').innerText"
VERDICT = "document.querySelector('#verdict').textContent"
TROUBLE = "document.querySelector('#trouble')"
# The share of a worker's lane that each colour has covered, by the paths' own outlines.
AREAS = """(number => Object.fromEntries(
  [...document.querySelectorAll(`#lanes .lane[data-worker="${number}"] path`)].map(path => [
    path.getAttribute('class'),
    [...path.getAttribute('d').matchAll(/M\\S+ (\\d+)h(\\S+?)V(\\d+)/g)]
      .reduce((sum, [, top, width, bottom]) => sum + (bottom - top) * width, 0)])))"""


@pytest.mark.parametrize(
    ("scenario", "title", "states", "verdict"),
    [
        ("asleep", "TOO FEW THREADS", ["asleep"] * 4,
         "All 4 workers are asleep in the application; 12 requests wait, the oldest for 1.5 s."),
        ("gil", "THE GIL IS THE LIMIT", ["computing", "gil", "idle", "idle"],
         "One thread at a time computes in Python, and one always does: the GIL is never free. "
         "Of 4 workers, 1 is computing, 1 is competing for the GIL, 2 are held back, as they would "
         "only fight for it; 9 requests wait, the oldest for 610 ms."),
        ("cpu", "THE CPU IS USED UP", ["core"] * 4,
         "All 4 workers are competing for a core; 8 requests wait, the oldest for 840 ms."),
        ("idle", "IDLE", ["idle"] * 4, "All 4 workers are idle; no request waits."),
        ("slow-clients", "SLOW CLIENTS", ["idle", "idle", "asleep", "idle"],
         "Of 4 workers, 1 is asleep in the application, 3 are idle; no request waits."),
        ("free-threaded", "ALL WELL", ["computing"] * 3 + ["idle"],
         "Of 4 workers, 3 are computing, 1 is idle; no request waits."),
    ],
)  # fmt: skip
def test_says_and_shows_what_is_wrong(
    open_page: Open, scenario: str, title: str, states: list[str], verdict: str
) -> None:
    with FakeAdmin(scenario) as admin:
        page = open_page(admin)
        # The first answer has nothing to take a difference from, and a request that was only just
        # begun has not computed yet; both are over soon.
        page.wait_for(f"{LANES}.join() === {json.dumps(','.join(states))}")
        page.wait_for(f"{VERDICT} === {json.dumps(verdict)}")
        assert page.evaluate(ADVICE) == f"{title}\n\n{SCENARIOS[scenario].advice}"
        assert page.errors() == []


def test_four_threads_that_sleep_fill_their_lanes_with_sleep(open_page: Open) -> None:
    with FakeAdmin("asleep") as admin:
        page = open_page(admin)
        admin.wait_for_polls(30)
        for worker in range(4):
            areas = page.evaluate(f"{AREAS}({worker})")
            assert areas["asleep"] > 20 * areas["computing"] > 0
            assert areas["gil"] == areas["core"] == areas["sending"] == 0


def test_the_gil_fills_its_own_lane_and_the_rest_of_the_workers(open_page: Open) -> None:
    with FakeAdmin("gil") as admin:
        page = open_page(admin)
        admin.wait_for_polls(30)
        areas = page.evaluate(f"{AREAS}(1)")
        assert areas["gil"] > 0.8 * areas["computing"] > 0
        assert areas["asleep"] < 0.1 * areas["gil"]
        assert page.evaluate(f"{AREAS}(3)")["gil"] == 0
        assert "98 % held; got in 10 ms" in page.text()


def test_a_python_without_a_gil_has_no_lane_for_it(open_page: Open) -> None:
    with FakeAdmin("free-threaded") as admin:
        text = open_page(admin).text()
        assert "GIL off" in text
        assert "held; got in" not in text
        assert "wants the GIL" not in text


def test_shows_where_the_workers_are(open_page: Open) -> None:
    with FakeAdmin("lock") as admin:
        page = open_page(admin)
        page.wait_for("document.querySelectorAll('#flame .frame').length === 12")
        rows = page.evaluate(
            "[...document.querySelectorAll('#places tr')].map(row => row.innerText)"
        )
        assert [row.split("\t") for row in rows] == [
            ["73 %", "asleep", "GET /orders/<int>", "orders/views.py:88 list_orders > with"],
            [
                "23 %",
                "asleep",
                "GET /orders/<int>",
                "orders/views.py:89 list_orders > sleep()",
            ],
            ["4 %", "computing", "GET /<b>nothing</b>", "render.py:7 <lambda>"],
        ]
        names = page.evaluate(
            "[...document.querySelectorAll('#flame .name')].map(n => n.textContent)"
        )
        assert names[:4] == [
            "GET /orders/<int> 96 %", "mw.py:3 call 96 %",
            "orders/views.py:88 list_orders 73 %", "with 73 %",
        ]  # fmt: skip
        width = "(n => document.querySelectorAll('#flame .frame')[n].getBoundingClientRect().width)"
        whole = page.evaluate("document.querySelector('#flame').getBoundingClientRect().width")
        assert page.evaluate(f"{width}(2)") == pytest.approx(whole * 174 / 240, abs=2)
        assert page.evaluate(f"{width}(3)") == pytest.approx(whole * 174 / 240, abs=2)
        assert page.evaluate("document.querySelectorAll('#flame b, #places b').length") == 0
        # Workers that were seen waiting do not want the GIL, whatever they compute.
        page.wait_for(f"{LANES}.join() === 'asleep,asleep,asleep,asleep'")
        assert "orders/views.py:88" in page.evaluate(
            "document.querySelector('#requests').innerText"
        )
        assert page.errors() == []


def test_shows_the_advice_alone_beside_another_page(open_page: Open) -> None:
    with FakeAdmin("lock") as admin:
        page = open_page(admin, path="?only=advice")
        parts = "[...document.querySelectorAll('main > *')]"
        shown = f"{parts}.filter(one => one.offsetHeight).map(one => one.id)"
        assert page.evaluate(shown) == ["advice", "lanes-card"]


def test_does_without_the_clocks_that_a_system_lacks(open_page: Open) -> None:
    with FakeAdmin("asleep") as admin:
        admin.story.clocks = False
        page = open_page(admin)
        page.wait_for(f"{LANES}.join() === 'running,running,running,running'")
        page.wait_for(f"{VERDICT}.startsWith('All 4 workers are in the application; 12')")
        tiles = page.evaluate("document.querySelector('#tiles').innerText").split("\n")
        assert tiles[tiles.index("Memory") + 1 :] == ["\u2013"]
        assert page.errors() == []


def test_shows_the_worker_that_is_stuck(open_page: Open) -> None:
    with FakeAdmin("stuck") as admin:
        page = open_page(admin)
        page.wait_for(f"/Worker 2 has been in GET .report.annual for [1-9]/.test({VERDICT})")
        assert page.evaluate("document.querySelectorAll('#lanes .age.long').length") == 1


def test_what_clients_sent_is_text(open_page: Open) -> None:
    with FakeAdmin("hostile") as admin:
        page = open_page(admin)
        admin.wait_for_polls(5)
        shown = HOSTILE_PATH.translate({0x202E: "\\u{202e}", 0x1B: "\\u{1b}", 0x07: "\\u{7}"})
        cell = page.evaluate("document.querySelector('#requests .path').textContent")
        assert cell == f"GET {shown}"
        lane = page.evaluate("document.querySelector('#lanes .what').textContent")
        assert lane == cell
        assert page.evaluate("document.querySelectorAll('img, main b:not(.legend b)').length") == 0
        assert "owned" not in page.evaluate("document.title")
        assert "<b>nothing</b>" in page.evaluate(ADVICE)
        assert page.errors() == []


def test_says_that_the_server_is_silent_and_recovers(open_page: Open) -> None:
    with FakeAdmin("ok") as admin:
        page = open_page(admin)
        assert page.evaluate(f"{TROUBLE}.hidden")
        admin.silent = True
        page.wait_for(f"!{TROUBLE}.hidden")
        said = page.evaluate(f"{TROUBLE}.textContent")
        assert re.match(r"The server cannot be reached: no connection. What is shown below", said)
        assert page.evaluate("document.querySelectorAll('.stale').length") >= 4
        admin.silent = False
        page.wait_for(f"{TROUBLE}.hidden && !document.querySelector('.stale')")


@pytest.mark.parametrize(
    ("answer", "said"),
    [(b"<html>", "its answer is not a status"), (b'{"server": {}}', "its answer cannot be shown")],
)
def test_says_that_an_answer_makes_no_sense(open_page: Open, answer: bytes, said: str) -> None:
    with FakeAdmin("ok") as admin:
        page = open_page(admin)
        admin.raw = answer
        page.wait_for(f"{TROUBLE}.textContent.includes({json.dumps(said)})")


def test_says_that_the_server_drains(open_page: Open) -> None:
    with FakeAdmin("asleep") as admin:
        page = open_page(admin)
        admin.story.draining = True
        page.wait_for(
            "document.body.innerText.includes('Draining: nothing new is accepted; 16 req')"
        )


def test_a_restarted_server_starts_with_an_empty_picture(open_page: Open) -> None:
    with FakeAdmin("asleep") as admin:
        page = open_page(admin)
        admin.wait_for_polls(10)
        admin.story = Story("idle", pid=4712)
        page.wait_for("document.body.innerText.includes('pid 4712')")
        page.wait_for(f"{VERDICT} === 'All 4 workers are idle; no request waits.'")
        assert sum(page.evaluate(f"{AREAS}(0)").values()) == 0
        assert page.errors() == []


def test_the_keyboard_looks_back_and_pauses(open_page: Open) -> None:
    with FakeAdmin("asleep") as admin:
        page = open_page(admin)
        admin.wait_for_polls(5)
        admin.story.scenario = SCENARIOS["idle"]
        admin.wait_for_polls(20)
        page.wait_for(f"{VERDICT}.startsWith('All 4 workers are idle')")
        page.evaluate("document.querySelector('#pause').focus()")
        page.key("Enter")
        page.wait_for("document.querySelector('#pause').getAttribute('aria-pressed') === 'true'")
        back = "document.querySelector('#back')"
        page.evaluate(f"{back}.focus()")
        for _ in range(21):
            page.key("ArrowLeft")
        page.wait_for(f"{back}.getAttribute('aria-valuetext') === '21 s ago'")
        assert page.evaluate(VERDICT).startswith("All 4 workers are asleep")
        polls = admin.polls
        page.evaluate("document.querySelector('#pause').click()")
        admin.wait_for_polls(2)
        assert admin.polls > polls


def test_the_pointer_looks_back(open_page: Open) -> None:
    with FakeAdmin("asleep") as admin:
        page = open_page(admin)
        admin.wait_for_polls(70)
        admin.story.scenario = SCENARIOS["idle"]
        admin.wait_for_polls(50)
        page.wait_for(f"{VERDICT}.startsWith('All 4 workers are idle')")
        page.point_at("#phases", 0.5)
        page.wait_for(f"{VERDICT}.startsWith('All 4 workers are asleep')")
        page.point_at("h1", 0.5)
        page.wait_for(f"{VERDICT}.startsWith('All 4 workers are idle')")


@pytest.mark.parametrize("scenario", ["asleep", "gil", "many", "hostile"])
def test_fits_a_phone(open_page: Open, scenario: str) -> None:
    with FakeAdmin(scenario) as admin:
        page = open_page(admin, width=360, height=740)
        admin.wait_for_polls(3)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        table = "document.querySelector('.scroll')"
        assert page.evaluate(f"{table}.scrollWidth <= {table}.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(open_page: Open, scheme: str) -> None:
    """WCAG 2.2 asks for 4.5 between a text and what it stands on."""
    with FakeAdmin("asleep") as admin:
        page = open_page(admin, scheme=scheme)
        admin.story.draining = True
        page.wait_for("!document.querySelector('#notice').hidden")
        ratios = page.evaluate(CONTRASTS)
        assert len(ratios) > 50
        assert [found for found in ratios if found[1] < 4.5] == []


def test_asks_for_nothing_but_itself_and_its_status(open_page: Open) -> None:
    with FakeAdmin("ok") as admin:
        page = open_page(admin)
        admin.wait_for_polls(3)
        wanted = {admin.url, f"{admin.url}status.json", "data:,"}
        assert {admin.url, f"{admin.url}status.json"} <= set(page.requested()) <= wanted
    assert DASHBOARD.stat().st_size < 42_000


CONTRASTS = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const over = (colours) => {  // painted one upon the other, as the page does
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1) }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => rgb.map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const found = [];
  for (const node of document.querySelectorAll('main *')) {
    const own = [...node.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !node.getClientRects().length) continue;
    const grounds = [];
    for (let at = node; at; at = at.parentElement)
      grounds.unshift(getComputedStyle(at).backgroundColor);
    const ground = over(grounds), text = over([...grounds, getComputedStyle(node).color]);
    const [low, high] = [light(ground), light(text)].sort((a, b) => a - b);
    found.push([node.textContent.slice(0, 40), (high + 0.05) / (low + 0.05)]);
  }
  return found;
})()"""


PROCESSES = """[...document.querySelectorAll('#processes tbody tr')].map(row =>
  [...row.children].map(cell => cell.textContent))"""


def test_several_processes_have_a_table_and_their_workers_its_numbers(open_page: Open) -> None:
    with FakeAdmin("processes") as admin:
        page = open_page(admin)
        admin.wait_for_polls(3)
        page.wait_for(f"{PROCESSES}.every(row => Number(row[8]) > 30)")
        rows = page.evaluate(PROCESSES)
        assert [row[:3] + row[4:8] for row in rows] == [
            ["0", "ready", "4712", "2 of 4", "0", "6", "50 MiB"],
            ["1", "ready", "4713", "0 of 4", "0", "7", "50 MiB"],
        ]
        lanes = "[...document.querySelectorAll('#lanes .lane')]"
        names = page.evaluate(f"{lanes}.map(lane => lane.firstChild.textContent)")
        assert names[3:5] == ["Worker 0.3", "Worker 1.0"]
        assert "8 threads in 2 processes" in page.text()
        assert page.errors() == []


def test_a_process_that_does_not_answer_is_named(open_page: Open) -> None:
    with FakeAdmin("silent-process") as admin:
        page = open_page(admin)
        page.wait_for(f"{PROCESSES}.length === 2 && {PROCESSES}[1][8] === '0'")
        states = [row[1] for row in page.evaluate(PROCESSES)]
        assert states == ["ready", "ready, does not answer"]


def test_one_process_has_no_table(open_page: Open) -> None:
    with FakeAdmin("ok") as admin:
        page = open_page(admin)
        admin.wait_for_polls(2)
        assert page.evaluate("document.querySelector('#processes').hidden")
        assert "Processes" not in page.text()

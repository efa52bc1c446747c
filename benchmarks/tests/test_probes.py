"""Servers that answer wrongly are found, and have no place in the ranking."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks import measure, probes, report, results
from benchmarks.peers import PEERS, Peer
from benchmarks.probes import PROBES
from benchmarks.process import Answer
from benchmarks.results import Cell, Record, Stat
from benchmarks.scenarios import SCENARIOS

if TYPE_CHECKING:
    from pathlib import Path


def told(**values: object) -> bytes:
    return json.dumps(values).encode()


@pytest.mark.parametrize(
    ("probe", "answer", "verdict"),
    [
        ("path", Answer(200, told(path="/café/a b"), True), "right"),
        (
            "path",
            Answer(200, told(path="/caf%C3%A9/a%20b"), True),
            "wrong: paths are not decoded",
        ),
        ("field", Answer(431, b"", True), "refused: 431"),
        ("chunked", Answer(501, b"", True), "refused: 501"),
        ("field", Answer(500, b"", True), "wrong: a header field of 20 KiB is answered 500"),
        (
            "chunked",
            Answer(200, told(body=probes.told(b"")), True),
            "wrong: a chunked body arrives as another",
        ),
        (
            "body",
            Answer(200, b"Hello", True),
            "wrong: 10 KB of all byte values gets another answer than the application's",
        ),
    ],
)
def test_verdicts(probe: str, answer: Answer, verdict: str) -> None:
    assert probes.judge(PROBES[probe], answer) == verdict


def test_our_own_server_is_right_about_everything() -> None:
    assert dict(probes.verdicts(PEERS["headwaiter"])) == dict.fromkeys(PROBES, "right")


CARELESS = """
import json, socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            head = connection.recv(16384)
            path = head.split()[1].decode() if head.strip() else "/"
            if len(head) < 16384:
                body = json.dumps({"path": path, "body": [0, ""]}).encode()
                connection.sendall(
                    b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body
                )
"""


def test_a_server_that_does_not_do_the_work_is_found_out() -> None:
    """It neither decodes nor reads more than 16 KiB of a head."""

    def command(port: int, app: str) -> list[str]:
        return [sys.executable, "-c", CARELESS, str(port)]

    careless = Peer("careless", command, "headwaiter")
    assert probes.wrong(careless, ("path",)) == "wrong: paths are not decoded"
    assert str(probes.wrong(careless, ("field",))).startswith(
        "wrong: a header field of 20 KiB gets no answer"
    )
    assert probes.wrong(careless, ()) is None


def test_scenarios_ask_for_probes_that_exist() -> None:
    assert {name for s in SCENARIOS.values() for name in s.probes} == set(PROBES)


def test_bodies_are_compared_and_not_only_measured() -> None:
    hello = SCENARIOS["hello-c1"]
    assert measure.wrong_body(hello, Answer(200, b"Hello, world!", True)) is None
    assert measure.wrong_body(hello, Answer(200, b"Hello, other!", True)) is not None
    assert measure.wrong_body(hello, Answer(200, b"", True)) is not None
    stream = SCENARIOS["stream1m"]
    chunk = stream.piece or b""
    framed = b"%x\r\n%s\r\n" % (len(chunk), chunk)
    whole = Answer(200, framed * 64 + b"0\r\n\r\n", True, chunked=True)
    assert measure.wrong_body(stream, whole) is None
    cut = Answer(200, framed * 63 + framed[:-9], True, chunked=True)
    assert measure.wrong_body(stream, cut) == "the chunks of the answer are broken"
    longer = Answer(200, framed[:-2] + b"xx" + framed * 63 + b"0\r\n\r\n", True, chunked=True)
    assert measure.wrong_body(stream, longer) == "the chunks of the answer are broken"


def test_figures_of_a_wrong_peer_are_put_aside(tmp_path: Path) -> None:
    fast = Cell({"cpu_us": Stat(5.0, 0.1)})
    cell = results.disqualify(fast, "wrong: paths are not decoded")
    assert (cell.stats, cell.failure) == ({}, "wrong: paths are not decoded")
    assert results.disqualify(fast, None) == fast
    record = Record(
        cells={"headwaiter": Cell({"cpu_us": Stat(7.0, 0.1)}), "freastal": cell},
        circumstances={},
        versions={},
        absent={},
        rounds=5,
        seconds=3,
        answers={"freastal": {"path": "wrong: paths are not decoded"}},
    )
    results.save(tmp_path / "pinned.json", {"json": record})
    assert results.load(tmp_path / "pinned.json") == {"json": record}
    assert results.best(record, "cpu_us", False, set(), "headwaiter") is None
    report.write(tmp_path / "page.md", tmp_path)
    text = (tmp_path / "page.md").read_text()
    assert (
        "- json, freastal: wrong: paths are not decoded (5.00 CPU µs/request without that work)"
        in text
    )
    assert "| freastal | wrong: paths are not decoded | - | - | - |" in text

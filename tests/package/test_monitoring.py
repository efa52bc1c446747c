"""``examples/monitoring``: both files ask for metrics and labels that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import promql_parser
import pytest
import yaml

from ..support.process import ROOT
from ..support.tools import PATH
from .test_links import anchors
from .test_promql import metrics, unknown

FOLDER = ROOT / "examples" / "monitoring"
OF_PROMETHEUS = {"up": {"job", "instance"}}
OURS = re.compile(r"\bheadwaiter_\w+|\bprocess_\w+")


def loaded(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    return [rule for group in loaded("alerts.yaml")["groups"] for rule in group["rules"]]


def dashboard() -> Any:
    return json.loads((FOLDER / "grafana.json").read_text(encoding="utf-8"))


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> dict[str, str]:
    """Every expression, by what says where it is."""
    found = {rule["alert"]: rule["expr"] for rule in rules()}
    for panel in panels():
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "5m")
            found[f"{panel['title']} {target['refId']}"] = text
    return found


@pytest.mark.parametrize("query", queries().values(), ids=queries())
def test_an_expression_asks_for_what_there_is(query: str) -> None:
    promql_parser.parse(query)
    assert unknown(query, {**metrics(), **OF_PROMETHEUS}) == []


def test_every_metric_of_a_state_is_on_the_dashboard_or_raises_an_alert() -> None:
    """Left out is what says how the server works, not how it is."""
    asked = set(OURS.findall(" ".join(queries().values())))
    endings = ("_bucket", "_count", "_sum")
    shown = {re.sub("|".join(f"{end}$" for end in endings), "", name) for name in asked}
    known = {re.sub("|".join(f"{end}$" for end in endings), "", name) for name in metrics()}
    assert known - shown == {
        *("headwaiter_connections_total", "headwaiter_connections_handed_over_total"),
        *("headwaiter_connections_not_taken_over_total", "headwaiter_connections_taken_over_total"),
        *("headwaiter_health_checks_total", "headwaiter_loop_lends_total"),
        *("headwaiter_process_resident_memory_bytes", "headwaiter_process_workers_idle"),
        "process_open_fds",
    }


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_it_is_and_where_help_is(rule: dict[str, Any]) -> None:
    assert rule["alert"].startswith("Headwaiter")
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert set(rule["annotations"]) >= {"summary", "see"}
    path, _, anchor = rule["annotations"]["see"].partition("#")
    assert (ROOT / path).is_file()
    assert not anchor or anchor in anchors(ROOT / path)


def test_the_page_counts_the_alerts() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    severities = [rule["labels"]["severity"] for rule in rules()]
    counts = {"page": "five", "ticket": "ten"}
    assert {severity: severities.count(severity) for severity in counts} == {
        "page": 5,
        "ticket": 10,
    }
    assert "five that should wake somebody, ten to look at by day" in page


def test_panels_do_not_overlap_and_have_what_they_show() -> None:
    whole = dashboard()
    numbers = [panel["id"] for panel in whole["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in whole["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in panels():
        assert panel["targets"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_the_variables_of_the_dashboard_exist() -> None:
    named = {variable["name"] for variable in dashboard()["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", (FOLDER / "grafana.json").read_text("utf-8")))
    assert used == named


@pytest.mark.skipif(not shutil.which("promtool", path=PATH), reason="promtool is not installed")
@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", "alerts.yaml"),
        ("check", "config", "prometheus.yaml"),
        ("test", "rules", "alerts.test.yaml"),
    ],
    ids=" ".join,
)
def test_promtool_agrees(command: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool", path=PATH)
    assert promtool
    done = subprocess.run(
        [promtool, *command], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

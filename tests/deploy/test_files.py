"""The other files of ``examples/deploy``: their adjustments exist, and their times fit together."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest
import yaml

from headwaiter._settings import flags
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.table import ADJUSTMENTS
from tests.support.tools import program

from . import DEPLOY, changed

KILLING = 15
"""Seconds in which a parent ends a process that does not leave: SIGABRT, then SIGKILL."""


def adjustments(command: list[str]) -> Adjustments:
    """The adjustments of a command as ``headwaiter`` would have them; a mistake is an error."""
    options = flags.parse(command)
    assert options.application == "mysite.wsgi:application"
    given = {row.name: vars(options)[row.name] for row in ADJUSTMENTS if row.name in options}
    return Adjustments.from_flags(given, options.config)


def service_adjustments() -> Adjustments:
    """Those of the unit's command, with our copy of the file that it names."""
    command = unit("ExecStart").split()[1:]
    place = command.index("--config=/etc/headwaiter.toml")
    pytest.importorskip("tomllib", reason="Python 3.11 and later read TOML")
    command[place] = f"--config={DEPLOY / 'headwaiter.toml'}"
    return adjustments(command)


def container_adjustments() -> Adjustments:
    """Those of the Dockerfile's command."""
    return adjustments(json.loads(dockerfile()["CMD"]))


def pod_adjustments() -> Adjustments:
    """Those of the Deployment."""
    return adjustments(pod()["containers"][0]["args"])


def seconds(found: Adjustments, *names: str) -> float:
    """These adjustments together."""
    effective = found.effective()
    return float(sum(effective[name].value for name in names))


def unit(key: str) -> str:
    """The value of ``key`` in the service unit."""
    text = (DEPLOY / "headwaiter.service").read_text(encoding="utf-8")
    (value,) = re.findall(rf"(?m)^{key}=(.+)$", text)
    return str(value)


def dockerfile() -> dict[str, str]:
    """The last instruction of each name."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    return dict(re.findall(r"(?m)^([A-Z]+) (.+)$", text))


def kubernetes() -> dict[str, Any]:
    """The manifests by their kind."""
    documents = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8"))
    return {document["kind"]: document for document in documents}


def pod() -> Any:
    return kubernetes()["Deployment"]["spec"]["template"]["spec"]


def web() -> Any:
    """The only service of the compose file."""
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]["web"]


def service_patience() -> float:
    return float(unit("TimeoutStopSec"))


def container_patience() -> float:
    return float(web()["stop_grace_period"].rstrip("s"))


def pod_patience() -> float:
    """What preStop leaves of it."""
    lifecycle = pod()["containers"][0]["lifecycle"]
    return float(pod()["terminationGracePeriodSeconds"] - lifecycle["preStop"]["sleep"]["seconds"])


@pytest.mark.parametrize(
    ("find", "patience"),
    [
        (service_adjustments, service_patience),
        (container_adjustments, container_patience),
        (pod_adjustments, pod_patience),
    ],
)
def test_adjustments_exist_and_a_stop_has_the_time_that_they_take(
    find: Callable[[], Adjustments], patience: Callable[[], float]
) -> None:
    found = find()
    assert found.health_path == "/ready"
    assert seconds(found, "drain_delay", "shutdown_timeout") + KILLING <= patience()


def test_the_container_runs_headwaiter_as_process_1() -> None:
    assert json.loads(dockerfile()["ENTRYPOINT"]) == ["headwaiter"]
    check = json.loads(dockerfile()["HEALTHCHECK"].partition("CMD ")[2])
    assert container_adjustments().health_path in check[-1]
    compile(check[-1], "HEALTHCHECK", "exec")


def test_ports_of_the_container_agree() -> None:
    assert dockerfile()["EXPOSE"] == "8000"
    assert web()["ports"] == ["8000:8000"]
    assert '"--listen=0.0.0.0:8000"' in dockerfile()["CMD"]


def test_probes_ask_what_the_pod_answers() -> None:
    container = pod()["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    probes = {name: container[name]["httpGet"] for name in container if name.endswith("Probe")}
    assert probes == {
        "startupProbe": {"path": "/ready", "port": "http"},
        "readinessProbe": {"path": "/ready", "port": "http"},
        "livenessProbe": {"path": "/live", "port": "admin"},
    }
    assert {f"--listen=0.0.0.0:{ports['http']}", f"--admin=0.0.0.0:{ports['admin']}"} < set(
        container["args"]
    )
    # Readiness has turned to 503 and was asked often enough before anything is closed.
    probe = container["readinessProbe"]
    assert probe["periodSeconds"] * (probe["failureThreshold"] + 1) < seconds(
        pod_adjustments(), "drain_delay"
    )


def test_the_manifests_select_the_pods() -> None:
    manifests = kubernetes()
    labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert manifests["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert manifests["Service"]["spec"]["selector"] == labels
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert manifests["Service"]["spec"]["ports"][0]["targetPort"] == "http"


def test_haproxy_notices_within_drain_delay() -> None:
    text = (DEPLOY / "haproxy.cfg").read_text(encoding="utf-8")
    interval, fall = re.findall(r"check inter (\d+)ms fall (\d+)", text)[0]
    assert (int(fall) + 1) * int(interval) / 1000 < seconds(service_adjustments(), "drain_delay")


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    version = subprocess.run([analyze, "--version"], capture_output=True, text=True, check=True)
    # It wants the program to exist.
    changes = {"/srv/site/venv/bin/headwaiter": "/bin/true"}
    if int(version.stdout.split()[1]) < 253:  # which brought the type; the unit says what to write
        changes["\nType=notify-reload"] = "\nType=notify\nExecReload=/bin/kill -HUP $MAINPID"
    service, *sockets = [
        tmp_path / f"headwaiter{name}" for name in (".service", ".socket", "-admin.socket")
    ]
    service.write_text(changed(service.name, changes), encoding="utf-8")
    for socket in sockets:
        socket.write_text(changed(socket.name, {}), encoding="utf-8")
    done = subprocess.run(
        [analyze, "verify", str(service), *map(str, sockets)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    # It names what it ignores, but says so by no exit code.
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

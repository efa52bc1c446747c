"""What a release is made with: the workflows, and the package ``release``."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

import headwaiter
from headwaiter._headwaiter import load_toml
from release import addresses, elf, pythons, smoke, versions, wheels
from tests.support.process import ROOT, environment

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
REPOSITORY = "https://github.com/owner/headwaiter"

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.stem))


def workflow(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(path)["jobs"].values() for step in job["steps"]]


@each_workflow
def test_a_workflow_may_only_do_what_each_job_says(path: Path) -> None:
    whole = workflow(path)
    assert whole["permissions"] == {}
    assert whole["concurrency"]["group"]
    for name, job in whole["jobs"].items():
        assert job["permissions"], name
        assert job["timeout-minutes"] <= 90, name
    assert "secrets." not in path.read_text(encoding="utf-8")


@each_workflow
def test_actions_are_named_by_a_tag_and_leave_no_credentials(path: Path) -> None:
    for step in steps(path):
        action, _, tag = step.get("uses", "").partition("@")
        if action:
            assert action.startswith(("actions/", "pypa/gh-action-pypi-publish"))
            assert re.fullmatch(r"v\d+(\.\d+\.\d+)?", tag), step["uses"]
        if action == "actions/checkout":
            assert step["with"] == {"persist-credentials": False}


@pytest.mark.parametrize("name", ["release", "test"])
def test_workflows_call_commands_that_there_are(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    known = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    run = "\n".join(step.get("run", "") for step in steps(ROOT / f".github/workflows/{name}.yml"))
    called = set(re.findall(r"\bmake (?:[A-Z_]+=\S+ )*([a-z-]+)", run))
    assert called
    assert called <= known


def test_every_supported_python_is_released_and_tested() -> None:
    project = load_toml((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    of_classifier = re.compile(r"Programming Language :: Python :: (3\.\d+)$")
    found = (of_classifier.match(text) for text in project["classifiers"])
    supported = {match[1] for match in found if match}
    free_threaded = max(supported, key=lambda name: int(name[2:])) + "t"
    jobs = {path.stem: workflow(path)["jobs"] for path in WORKFLOWS}
    several = next(
        step["with"]["python-version"].split()
        for step in jobs["release"]["unix"]["steps"]
        if "setup-python" in step.get("uses", "")
    )
    for listed in (
        several,
        jobs["release"]["windows"]["strategy"]["matrix"]["python"],
        jobs["test"]["python"]["strategy"]["matrix"]["python"],
    ):
        assert set(listed) == supported | {free_threaded}
    oldest = min(supported, key=lambda name: int(name[2:]))
    assert tuple(map(int, oldest.split("."))) == pythons.OLDEST


def test_the_container_for_developers_has_what_ci_installs() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    wanted = {
        name for found in re.findall(r"missing\+=\((.*?)\)", script) for name in found.split()
    }
    dockerfile = (ROOT / ".devcontainer/Dockerfile").read_text(encoding="utf-8")
    in_the_image = {"make", "gcc", "libc6-dev", "g++"}
    assert wanted - in_the_image <= set(dockerfile.split())


def test_a_tag_fits_the_version() -> None:
    assert versions.version() == headwaiter.__version__
    with pytest.raises(versions.Unfit, match=r"^the tag v9\.9\.9 is not v"):
        versions.check("v9.9.9")


@pytest.mark.parametrize(
    ("changelog", "expected"),
    [
        ("# C\n\n## Unreleased\n\n- x\n\n## 1.2.3 (2026-11-26)\n\n- y\n\n- z\n", "- y\n\n- z\n"),
        ("# C\n\n## 1.2.3\n\n- y\n\n## 1.2.2\n\n- z\n", "- y\n"),
        ("# C\n\n## 1.2.3\n\n## 1.2.2\n\n- z\n", "says nothing about 1.2.3"),
        ("# C\n\n## 1.2.30\n\n- z\n", "has no section '## 1.2.3'"),
    ],
)
def test_the_notes_of_a_release(changelog: str, expected: str) -> None:
    if expected.startswith("-"):
        assert versions.notes(changelog, "1.2.3") == expected
    else:
        with pytest.raises(versions.Unfit, match=re.escape(expected)):
            versions.notes(changelog, "1.2.3")


def test_links_of_the_readme_become_absolute() -> None:
    text = '[a](docs/a.md#b) ![i](docs/i.png) [h](#here) [w](https://x.example/) <img src="j.png">'
    assert addresses.absolute(text, REPOSITORY, "v1") == (
        f"[a]({REPOSITORY}/blob/v1/docs/a.md#b) ![i]({REPOSITORY}/raw/v1/docs/i.png) "
        f'[h](#here) [w](https://x.example/) <img src="{REPOSITORY}/raw/v1/j.png">'
    )


def test_what_is_published_has_addresses(tmp_path: Path) -> None:
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    addresses.write(tmp_path, REPOSITORY, "v1")
    links = re.findall(r"\]\(([^)\s]+)\)", (tmp_path / "README.md").read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith(("https://", "http://", "#"))] == []
    text = (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
    before = load_toml((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = load_toml(text)["project"]
    assert project.pop("urls") == addresses.urls(REPOSITORY)
    assert project == before["project"]
    with pytest.raises(ValueError, match="already"):
        addresses.with_urls(text, REPOSITORY)


def test_addresses_of_other_hosts() -> None:
    assert "Documentation" in addresses.urls(REPOSITORY)
    assert "Documentation" not in addresses.urls("https://git.example/owner/headwaiter")


def test_interpreters_are_found_once_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pythons.ask(sys.executable)
    assert own
    assert own.name == sysconfig.get_python_version() + ("t" if own.is_free_threaded else "")
    assert pythons.ask(tmp_path / "python3.99") is None
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"python{own.name}").symlink_to(sys.executable)
        (tmp_path / folder / "python3.10").write_text("not a program")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    monkeypatch.delenv(pythons.FREE_THREADED, raising=False)
    assert [python.path for python in pythons.find()] == [tmp_path / "a" / f"python{own.name}"]


def test_the_commands(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "release", *arguments]
        env = environment(**{pythons.FREE_THREADED: sys.executable})  # so none is unpacked
        return subprocess.run(
            argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
        )

    tag = run("tag", "v9.9.9")
    assert (tag.returncode, tag.stdout) == (1, "")
    assert tag.stderr.startswith("release: the tag v9.9.9 is not v")
    listed = run("pythons", str(tmp_path))
    assert listed.returncode == 0, listed.stderr
    for line in listed.stdout.splitlines():
        assert re.fullmatch(r"3\.\d+t? /.+", line)
    nothing = run("wheels", "--python", str(tmp_path / "python3.99"))
    assert nothing.returncode == 1
    assert nothing.stderr == "no interpreter of a supported version was found\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads a library of Linux")
def test_what_a_library_needs(tmp_path: Path) -> None:
    suffix = str(sysconfig.get_config_var("EXT_SUFFIX"))
    built = Path(headwaiter.__file__).parent / f"_headwaiter{suffix}"
    wheel = tmp_path / "headwaiter-1-cp311-cp311-manylinux_2_17_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(built, f"headwaiter/_headwaiter{suffix}")
    needed = elf.needs(elf.extension(wheel))
    assert str(needed).startswith("glibc 2.") == (platform.libc_ver()[0] == "glibc")
    assert all(re.match(r"lib|ld-", name) for name in needed.libraries)


@pytest.mark.parametrize(
    ("tag", "needed", "found"),
    [
        ("manylinux_2_17_x86_64", elf.Needs(("libc.so.6", "libgcc_s.so.1"), (2, 17)), []),
        ("manylinux_2_17_x86_64", elf.Needs(("libc.so.6",), (2, 28)), ["needs glibc 2.28"]),
        ("manylinux_2_17_x86_64", elf.Needs(("libssl.so.3",), None), ["needs libssl.so.3"]),
        (
            "manylinux2014_x86_64.manylinux_2_17_x86_64",
            elf.Needs((), (2, 18)),
            ["needs glibc 2.18"],
        ),
        ("musllinux_1_2_x86_64", elf.Needs(("libc.so",), None), []),
        (
            "musllinux_1_2_x86_64",
            elf.Needs(("libc.so.6",), (2, 4)),
            ["needs glibc", "needs libc.so.6"],
        ),
    ],
)
def test_what_contradicts_the_tag(tag: str, needed: elf.Needs, found: list[str]) -> None:
    assert elf.findings(Path(f"headwaiter-1-cp311-cp311-{tag}.whl"), needed) == found


def test_the_table_of_wheels(tmp_path: Path) -> None:
    wheel = tmp_path / "headwaiter-1.2.3-cp311-cp311-win_amd64.whl"
    wheel.write_bytes(bytes(1_540_000))
    sdist = tmp_path / "headwaiter-1.2.3.tar.gz"
    sdist.write_bytes(bytes(500_000))
    results = [
        wheels.Result("3.11", "manylinux", wheel, "glibc 2.17", "yes", "no"),
        wheels.Result("3.11", "sdist", sdist, installed="yes", served="yes"),
        wheels.Result("3.12", "musllinux", failed="no library"),
    ]
    assert wheels.table(results).splitlines() == [
        "file                     tag                    size     needs       installed  served",
        "headwaiter-1.2.3         cp311-cp311-win_amd64  1.54 MB  glibc 2.17  yes        no",
        "headwaiter-1.2.3.tar.gz  -                      0.50 MB  -           yes        yes",
        "3.12 musllinux           -                      -        -           -          -",
    ]


@pytest.mark.parametrize(
    ("results", "said"),
    [
        (
            [wheels.Result("3.11", "manylinux", served="yes")],
            "1 of 1 built, 1 installed and served",
        ),
        (
            [wheels.Result("3.9", "manylinux", failed="x"), wheels.Result("3.9", "musllinux")],
            "1 of 2 built, 0 installed and served; "
            "1 for musl inspected only: --musl-python PATH tries them",
        ),
    ],
)
def test_the_summary(results: list[wheels.Result], said: str) -> None:
    assert wheels.summary(results) == said


def test_a_step_that_fails_is_reported_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        wheels, "MATURIN", (sys.executable, "-c", "raise SystemExit('no compiler')")
    )
    own = pythons.ask(sys.executable)
    assert own
    shop = wheels.Workshop(tmp_path / "dist", tmp_path, tmp_path / "logs")
    result = shop.wheel(own, wheels.Target("native"), own)
    assert "ended with 1" in result.failed
    assert result.installed == result.served == "-"
    out, err = capfd.readouterr()
    assert "no compiler" in err
    assert f"{own.name} native: " in out


def test_the_installed_package_serves(tmp_path: Path) -> None:
    shutil.copy(Path(smoke.__file__), tmp_path)
    done = subprocess.run(
        [sys.executable, "smoke.py"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"headwaiter {headwaiter.__version__}, ")
    assert done.stdout.endswith(": served\n")

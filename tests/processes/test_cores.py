"""What ``processes=auto`` finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwaiter._process.cores import Cores, quota

QUOTA, PERIOD = "cpu/a/cpu.cfs_quota_us", "cpu/a/cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("affinity", "limit", "expected"),
    [(8, None, 8), (8, 2.0, 2), (8, 1.5, 1), (8, 0.5, 1), (1, 4.0, 1), (4, 3.999, 3)],
)
def test_the_lesser_counts_rounded_down(affinity: int, limit: float | None, expected: int) -> None:
    assert Cores(affinity, limit).processes == expected


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/", {}, None),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/a/b", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, 2.0),
        ("0::/a/b", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "50000 100000"}, 0.5),
        ("0::/../elsewhere", {"cpu.max": "300000 100000"}, 3.0),
        ("4:cpu,cpuacct:/a", {QUOTA: "50000", PERIOD: "100000"}, 0.5),
        ("4:cpu,cpuacct:/a", {QUOTA: "-1", PERIOD: "100000"}, None),
        ("5:memory:/a", {QUOTA: "50000", PERIOD: "100000"}, None),
        ("", {"cpu.max": "150000 100000"}, None),
    ],
)  # fmt: skip
def test_quotas(tmp_path: Path, own: str, files: dict[str, str], expected: float | None) -> None:
    root = tmp_path / "cgroup"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="ascii")
    groups = tmp_path / "own"
    groups.write_text(own + "\n", encoding="ascii")
    assert quota(str(root), str(groups)) == expected

"""Threads are counted by the container's share, not by the host's cores."""

import os
from pathlib import Path

import pytest

from service import quota


def system(root: Path, cgroup: str, files: dict[str, str]) -> Path:
    """A file system with /proc/self/cgroup and some files under /sys/fs/cgroup."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)


V1 = "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n"

CORES: dict[str, tuple[str, dict[str, str], int]] = {
    "no limit": ("0::/\n", {"cpu.max": "max 100000"}, 16),
    "nothing there": ("", {}, 16),
    "two cores": ("0::/\n", {"cpu.max": "200000 100000"}, 2),
    "a tenth of a core": ("0::/\n", {"cpu.max": "10000 100000"}, 1),
    "one and a half": ("0::/\n", {"cpu.max": "150000 100000"}, 1),
    "a parent's limit": ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, 3),
    "the tightest": ("0::/a/b\n", {"a/b/cpu.max": "200000 100000", "a/cpu.max": "300000 100000"}, 2),
    "more than there are": ("0::/\n", {"cpu.max": "9900000 100000"}, 16),
    "version 1": (
        V1,
        {"cpu/docker/abc/cpu.cfs_quota_us": "400000", "cpu/docker/abc/cpu.cfs_period_us": "100000"},
        4,
    ),
    "version 1 in a container": (
        V1,
        {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"},
        2,
    ),
    "version 1, no limit": (V1, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 16),
    "nonsense": ("0::/\n", {"cpu.max": "many 0"}, 16),
}


@pytest.mark.parametrize("name", CORES)
def test_cores_are_those_of_the_quota(name: str, tmp_path: Path) -> None:
    cgroup, files, cores = CORES[name]
    assert quota.cores(system(tmp_path, cgroup, files)) == cores


@pytest.mark.parametrize(
    ("cgroup", "files", "limit"),
    [
        ("0::/\n", {"memory.max": "max"}, None),
        ("0::/\n", {"memory.max": "256000000"}, 256_000_000),
        (V1, {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        (V1, {"memory/docker/abc/memory.limit_in_bytes": "64000000"}, 64_000_000),
    ],
)
def test_memory_is_that_of_the_container(cgroup: str, files: dict[str, str], limit: int | None, tmp_path: Path) -> None:
    root = system(tmp_path, cgroup, files)
    assert quota.memory(root) == limit


def test_this_machine_has_some() -> None:
    assert 1 <= quota.cores() <= 16

"""What this process may use: the container's share of the machine, not the machine.

Sources: the kernel's cgroup-v2.rst (cpu.max, memory.max) and, for version 1, sched-bwc.rst and memory.rst.
"""

import os
import resource
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

_NO_LIMIT: Final = 1 << 60  # version 1 says "none" by a number near 2^63


def cores(root: Path = Path("/")) -> int:
    """Whole cores: those that the scheduler lets this process use, and no more than the quota pays for.

    A quota of 1.5 gives 1: a second thread would be stopped half of the time, in the middle of answers.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for folder in _groups(root, "cpu") if (quota := _quota(folder)) is not None]
    return max(1, int(min([float(count), *quotas])))


def memory(root: Path = Path("/")) -> int | None:
    """The memory limit in bytes, of the control groups or of the process; None where there is none."""
    limits = [limit for folder in _groups(root, "memory") if (limit := _memory(folder)) is not None]
    if (data := resource.getrlimit(resource.RLIMIT_DATA)[0]) != resource.RLIM_INFINITY:
        limits.append(data)
    return min(limits, default=None)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's control group and of its parents, all of which limit it."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount = root / "sys/fs/cgroup"
        elif controller in controllers.split(","):
            mount = root / "sys/fs/cgroup" / controller
        else:
            continue
        group = PurePosixPath(path.lstrip("/"))
        for each in (group, *group.parents):  # the last is the mount itself, which in a container is the group
            yield mount / each


def _quota(folder: Path) -> float | None:
    if both := _read(folder / "cpu.max").split():
        quota, period = both
    else:
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    if not (quota.isdecimal() and period.isdecimal() and int(period)):  # "max", -1, or no such file
        return None
    return int(quota) / int(period)


def _memory(folder: Path) -> int | None:
    limit = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
    return int(limit) if limit.isdecimal() and int(limit) < _NO_LIMIT else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""

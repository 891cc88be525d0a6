"""What this process may use: the container's share of the machine, not the machine.

Source: the kernel's cgroup-v2.rst (cpu.max, memory.max). Of version 1, which no distribution starts with any more,
nothing is read: there the service takes the machine's cores, and THREADS has to be set.
"""

import os
import resource
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def cores(root: Path = Path("/")) -> int:
    """Whole cores: those that the scheduler lets this process use, and no more than the quota pays for.

    A quota of 1.5 gives 1: a second thread would be stopped half of the time, in the middle of answers.
    """
    count = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    for limit in _limits(root, "cpu.max"):  # "200000 100000", or "max 100000"
        quota, _, period = limit.partition(" ")
        if quota.isdecimal() and period.isdecimal() and int(period):
            count = min(count, int(quota) / int(period))
    return max(1, int(count))


def memory(root: Path = Path("/")) -> int | None:
    """The memory limit in bytes, of the control groups or of the process; None where there is none."""
    limits = [int(limit) for limit in _limits(root, "memory.max") if limit.isdecimal()]
    if (data := resource.getrlimit(resource.RLIMIT_DATA)[0]) != resource.RLIM_INFINITY:
        limits.append(data)
    return min(limits, default=None)


def _limits(root: Path, name: str) -> Iterator[str]:
    """A file of this process's control group and of its parents, all of which limit it."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, _, path = line.split(":", 2)
        if number == "0":
            group = PurePosixPath(path.lstrip("/"))
            for each in (group, *group.parents):  # the last is the mount itself, which in a container is the group
                yield _read(root / "sys/fs/cgroup" / each / name)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""

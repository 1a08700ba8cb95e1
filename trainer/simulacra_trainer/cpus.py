"""How many threads may work at once."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def threads() -> int:
    """Return OMP_NUM_THREADS where it is set, or else the CPUs that this process may use.

    These are the ones that it may run on, and no more than its container's quota of CPU time is
    worth: with a thread more than that the kernel halts them all for the rest of each period.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked):
        return int(asked)
    allowed = len(os.sched_getaffinity(0))
    quota = cpu_quota()
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def cpu_quota(root: Path = CGROUP) -> float | None:
    """Return the CPUs that the cgroup of this container may use, None without a limit.

    As seen from inside a container, whose own cgroup is the root: cgroup v2 `cpu.max`, v1
    `cpu.cfs_quota_us`.
    """
    try:
        quota, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = (
                (root / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
            )
        except OSError:
            return None
    try:
        limit = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max": no limit
        return None
    return limit if limit > 0 else None

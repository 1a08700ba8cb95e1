"""How many threads may work at once."""

import os


def threads() -> int:
    """Return OMP_NUM_THREADS where it is set, or else the CPUs that this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else len(os.sched_getaffinity(0))

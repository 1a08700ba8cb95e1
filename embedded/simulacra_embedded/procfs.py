"""What /proc says about processes: start time, members of a session, memory."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from `state` on; empty when there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot: with the pid it names a process uniquely."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def session(leader: int) -> Iterator[int]:
    """Yield the living processes of a session, the leader included."""
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields and int(fields[3]) == leader and fields[0] != "Z":
                yield int(entry.name)


def kill_session(leader: int, signum: signal.Signals) -> int:
    """Signal every process of a session; return how many there were."""
    count = 0
    for pid in session(leader):
        with suppress(ProcessLookupError):
            os.kill(pid, signum)
            count += 1
    return count


def memory(pid: int) -> int:
    """Return the bytes of memory that a process and its descendants own (anonymous and shared-memory pages)."""
    total = 0
    base = PROC / str(pid)
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in (base / "status").read_text().splitlines():
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1]) * 1024
        for task in (base / "task").iterdir():
            total += sum(memory(int(child)) for child in (task / "children").read_text().split())
    return total

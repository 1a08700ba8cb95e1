"""Sessions of processes, read from /proc: members, memory, and survivors of a crash."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from simulacra_embedded.processes.files import replace_file

PROC = Path("/proc")


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from `state` on; empty without such a process."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def start_time(pid: int) -> int | None:
    """Return a process's start in clock ticks since boot; with the pid, it is unique."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def members(leader: int) -> Iterator[int]:
    """Yield the living processes of a session, including the leader."""
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields and int(fields[3]) == leader and fields[0] != "Z":
                yield int(entry.name)


def kill(leader: int, signum: signal.Signals) -> int:
    """Signal every process of a session; return their number."""
    count = 0
    for pid in members(leader):
        with suppress(ProcessLookupError):
            os.kill(pid, signum)
            count += 1
    return count


def memory(pid: int) -> int:
    """Return the bytes of anonymous and shared memory of a process and its descendants."""
    total = 0
    base = PROC / str(pid)
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in (base / "status").read_text().splitlines():
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1]) * 1024
        for task in (base / "task").iterdir():
            total += sum(memory(int(child)) for child in (task / "children").read_text().split())
    return total


def record(path: Path, pid: int) -> None:
    """Write the leader of a session to a file, so that a later process can find survivors."""
    replace_file(path, json.dumps({"pid": pid, "startTime": start_time(pid)}))


def kill_recorded(path: Path) -> int:
    """Kill the survivors of a recorded session, wait for their end, return their number."""
    try:
        noted = json.loads(path.read_text())
    except (OSError, ValueError):
        return 0
    leader = noted["pid"]
    now = start_time(leader)
    if noted["startTime"] is None or (now is not None and now != noted["startTime"]):
        return 0  # the pid, and with it the session id, belongs to another process now
    killed = kill(leader, signal.SIGKILL)
    for _ in range(100):  # their ports and files are free only after their end
        if not any(members(leader)):
            break
        time.sleep(0.02)
    return killed

"""Child processes that cannot outlive their parent: what the node agent and the supervisor have in common."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from simulacra_embedded import procfs

LOG_BYTES = 10 * 2**20
"""Size at which a log is turned over; one older part is kept, so a log takes twice this at most."""
_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl


def die_with(parent: int) -> Callable[[], None]:
    """Return a preexec_fn by which the kernel kills the child when its parent dies.

    The fork must be in the main thread, because PDEATHSIG follows the thread that forked. Grandchildren are not
    covered; `kill_recorded` of the next start finds them by their session.
    """

    def arrange() -> None:
        _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:
            os._exit(1)

    return arrange


async def spawn(
    command: Sequence[str],
    env: Mapping[str, str],
    folder: Path | None,
    sink: Callable[[bytes], None],
) -> tuple[asyncio.subprocess.Process, asyncio.Task[None]]:
    """Start a program in a session of its own that dies with this process.

    The pipe is ours, not asyncio's, whose `Process.wait` returns only when every descendant has closed it.

    Args:
        command: Program and arguments.
        env: The whole environment.
        folder: Working directory.
        sink: Gets stdout and stderr as they come.

    Returns:
        The process, and the task that feeds the sink until the last writer is gone.

    Raises:
        OSError: There is no such program, or it may not be run.
    """
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=env,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            start_new_session=True,
            umask=0o077,
            preexec_fn=die_with(
                os.getpid()
            ),  # takes no lock that another thread might hold at the fork
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return process, asyncio.create_task(_feed(reading, sink))


async def _feed(descriptor: int, sink: Callable[[bytes], None]) -> None:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
    try:
        while data := await reader.read(2**16):
            sink(data)
    finally:
        transport.close()


def announce_ready() -> None:
    """Print the one JSON line by which the supervisor knows that this process works."""
    sys.stdout.write(json.dumps({"ready": True}) + "\n")
    sys.stdout.flush()


def record(path: Path, pid: int) -> None:
    """Note the leader of a session, so that a later process can find what is left of it."""
    replace_file(path, json.dumps({"pid": pid, "startTime": procfs.start_time(pid)}))


def kill_recorded(path: Path) -> int:
    """Kill what is left of a recorded session and wait until it is gone; return the number of processes."""
    try:
        noted = json.loads(path.read_text())
    except (OSError, ValueError):
        return 0
    now = procfs.start_time(noted["pid"])
    if noted["startTime"] is None or (now is not None and now != noted["startTime"]):
        return 0  # the pid, and so the id of the session, belongs to somebody else by now
    killed = procfs.kill_session(noted["pid"], signal.SIGKILL)
    for _ in range(100):  # their ports and files are free only then
        if not any(procfs.session(noted["pid"])):
            break
        time.sleep(0.02)
    return killed


def replace_file(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step: a crash leaves the old or the new one."""
    draft = path.with_name(path.name + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


class LogFile:
    """An append-only log of bounded size and mode 0600. What cannot be written is dropped: a full disk must not
    stop the program whose output this is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()

    def _open(self) -> BinaryIO:
        return os.fdopen(
            os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0
        )

    def write(self, data: bytes) -> None:
        """Append; turn the log over when it is full."""
        with suppress(OSError):
            if self._file.tell() + len(data) > LOG_BYTES:
                self._path.replace(self._path.with_suffix(".log.1"))
                self._file.close()
                self._file = self._open()
            self._file.write(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

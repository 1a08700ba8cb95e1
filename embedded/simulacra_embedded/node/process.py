"""One container as a local process group of its own: started, watched, ended."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from simulacra_embedded import procfs
from simulacra_embedded.processes import LogFile, die_with

WATCH_SECONDS = 0.2


@dataclass(frozen=True)
class Ended:
    """How a container ended; reason is Completed, Error, OOMKilled or StartError."""

    exit_code: int
    reason: str
    started: datetime
    finished: datetime
    message: str = ""


class ContainerProcess:
    """A running container. Make one with `start`, then await `wait`; `stop` may be called meanwhile."""

    def __init__(self, process: asyncio.subprocess.Process, log: LogFile, memory_limit: float | None) -> None:
        self._process, self._log, self._limit = process, log, memory_limit
        self.started = datetime.now(UTC)
        self._out_of_memory = False

    @classmethod
    async def start(
        cls, command: Sequence[str], env: Mapping[str, str], folder: Path, log: Path, memory_limit: float | None
    ) -> ContainerProcess:
        """Start a process in its own session with `folder` as working directory.

        Raises:
            OSError: There is no such program, or it may not be run.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            env=env,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
            preexec_fn=die_with(os.getpid()),  # one thread here, and nothing but a system call there
        )
        return cls(process, LogFile(log), memory_limit)

    @property
    def pid(self) -> int:
        """The leader of the session."""
        return self._process.pid

    async def wait(self) -> Ended:
        """Return how it ended, after its output was written and its descendants were killed."""
        watchers = [asyncio.ensure_future(self._pump())]
        if self._limit:
            watchers.append(asyncio.ensure_future(self._watch_memory(self._limit)))
        try:
            code = await self._process.wait()
        finally:
            procfs.kill_session(self.pid, signal.SIGKILL)
            await asyncio.wait(watchers[:1], timeout=1.0)
            for watcher in watchers:
                watcher.cancel()
            self._log.close()
        code = 128 - code if code < 0 else code
        if self._out_of_memory:
            return self._ended(137, "OOMKilled")
        return self._ended(code, "Error" if code else "Completed")

    async def stop(self, grace: float) -> None:
        """Ask the session to end, and kill it after `grace` seconds."""
        procfs.kill_session(self.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), grace)
        procfs.kill_session(self.pid, signal.SIGKILL)

    def _ended(self, code: int, reason: str) -> Ended:
        return Ended(code, reason, self.started, datetime.now(UTC))

    async def _pump(self) -> None:
        assert self._process.stdout is not None
        while data := await self._process.stdout.read(2**16):
            self._log.write(data)

    async def _watch_memory(self, limit: float) -> None:
        while True:
            if procfs.memory(self.pid) > limit:
                self._out_of_memory = True
                procfs.kill_session(self.pid, signal.SIGKILL)
                return
            await asyncio.sleep(WATCH_SECONDS)

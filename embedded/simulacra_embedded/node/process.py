"""One container as a local process group of its own: started, watched, ended."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from simulacra_embedded import procfs
from simulacra_embedded.processes import LogFile, spawn

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

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        output: asyncio.Task[None],
        log: LogFile,
        memory_limit: float | None,
    ) -> None:
        self._process, self._output, self._log, self._limit = process, output, log, memory_limit
        self.started = datetime.now(UTC)
        self._out_of_memory = False

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        env: Mapping[str, str],
        folder: Path,
        log: Path,
        memory_limit: float | None,
    ) -> ContainerProcess:
        """Start a process in its own session with `folder` as working directory.

        Raises:
            OSError: There is no such program, or it may not be run.
        """
        output = LogFile(log)
        try:
            process, feeding = await spawn(command, env, folder, output.write)
        except BaseException:
            output.close()
            raise
        return cls(process, feeding, output, memory_limit)

    @property
    def pid(self) -> int:
        """The leader of the session."""
        return self._process.pid

    async def wait(self) -> Ended:
        """Return how it ended, after its output was written and its descendants were killed."""
        watcher = asyncio.ensure_future(self._watch_memory())
        try:
            code = await self._process.wait()
        finally:
            watcher.cancel()
            procfs.kill_session(self.pid, signal.SIGKILL)
            await asyncio.wait([self._output], timeout=1.0)
            self._output.cancel()
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

    async def _watch_memory(self) -> None:
        while self._limit:
            if procfs.memory(self.pid) > self._limit:
                self._out_of_memory = True
                procfs.kill_session(self.pid, signal.SIGKILL)
                return
            await asyncio.sleep(WATCH_SECONDS)

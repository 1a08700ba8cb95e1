"""One container as a session of local processes: start, memory limit, end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from simulacra_embedded.node.environment import TRAINER
from simulacra_embedded.processes import session
from simulacra_embedded.processes.child import spawn
from simulacra_embedded.processes.files import LogFile
from simulacra_embedded.processes.forks import Fork, Forks

WATCH_SECONDS = 0.2


@dataclass(frozen=True)
class Termination:
    """The end of a container; reason is Completed, Error, OOMKilled or StartError."""

    exit_code: int
    reason: str
    started: datetime
    finished: datetime
    message: str = ""


class ContainerProcess:
    """A running container. Make it with `start`, then await `wait`; `stop` ends it earlier."""

    def __init__(
        self,
        process: asyncio.subprocess.Process | Fork,
        output: asyncio.Task[None],
        log: LogFile,
        memory_limit: float | None,
    ) -> None:
        self._process = process
        self._output = output
        self._log = log
        self._limit = memory_limit
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
        forks: Forks,
    ) -> ContainerProcess:
        """Start a process in its own session with `folder` as working directory.

        The trainer's program starts as a fork, without its imports.

        Raises:
            OSError: The program does not exist or may not be run.
        """
        output = LogFile(log)
        process: asyncio.subprocess.Process | Fork
        try:
            if command[: len(TRAINER)] == TRAINER:
                words = command[len(TRAINER) :]
                package = TRAINER[-1]
                process, feeding = await forks.start(package, words, env, folder, output.write)
            else:
                process, feeding = await spawn(command, env, folder, output.write)
        except BaseException:
            output.close()
            raise
        return cls(process, feeding, output, memory_limit)

    @property
    def pid(self) -> int:
        """The leader of the session."""
        return self._process.pid

    async def wait(self) -> Termination:
        """Return its end, after its output is written and its descendants are killed."""
        watcher = asyncio.ensure_future(self._watch_memory())
        try:
            code = await self._process.wait()
        finally:
            watcher.cancel()
            session.kill(self.pid, signal.SIGKILL)
            await asyncio.wait([self._output], timeout=1.0)
            self._output.cancel()
            self._log.close()
        code = 128 - code if code < 0 else code
        if self._out_of_memory:
            return self._ended(137, "OOMKilled")
        return self._ended(code, "Error" if code else "Completed")

    async def stop(self, grace: float) -> None:
        """Send SIGTERM to the session, and SIGKILL after `grace` seconds."""
        session.kill(self.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), grace)
        session.kill(self.pid, signal.SIGKILL)

    def _ended(self, code: int, reason: str) -> Termination:
        return Termination(code, reason, self.started, datetime.now(UTC))

    async def _watch_memory(self) -> None:
        while self._limit:
            if session.memory(self.pid) > self._limit:
                self._out_of_memory = True
                session.kill(self.pid, signal.SIGKILL)
                return
            await asyncio.sleep(WATCH_SECONDS)

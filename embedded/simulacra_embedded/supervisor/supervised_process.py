"""One supervised program: start, readiness, restart after its end, stop."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from simulacra_embedded.processes import session
from simulacra_embedded.processes.files import LogFile
from simulacra_embedded.processes.forks import Fork
from simulacra_embedded.supervisor import UpError

QUICK_SECONDS = 10.0
"""A program that ends within this time after its start has ended quickly."""
QUICK_ENDS = 5
PAUSE_SECONDS = (0.5, 8.0)
READY_SECONDS = 60.0

Say = Callable[[str], None]
Probe = Callable[[], Awaitable[bool]]
Process = asyncio.subprocess.Process | Fork
Start = Callable[[Callable[[bytes], None]], Awaitable[tuple[Process, asyncio.Task[None]]]]


class SupervisedProcess:
    """A program of `simulacra up`.

    `begin` starts it with a sink for its output, `say` prints a line for the user, and `probe`
    returns whether it is ready; without one, it prints a JSON line when it is.
    """

    def __init__(
        self,
        name: str,
        begin: Start,
        log: Path,
        pid_file: Path,
        say: Say,
        probe: Probe | None = None,
    ) -> None:
        self.name = name
        self._begin = begin
        self._log_path = log
        self._log = LogFile(log)
        self._pid_file = pid_file
        self._say = say
        self._probe = probe
        self._process: Process | None = None
        self._announced = asyncio.Event()
        self._output: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            UpError: It ended first, or took longer than READY_SECONDS.
        """
        began = time.monotonic()
        process = await self._spawn()
        ready = asyncio.ensure_future(self._ready())
        ended = asyncio.ensure_future(process.wait())
        first = asyncio.FIRST_COMPLETED
        try:
            await asyncio.wait((ready, ended), timeout=READY_SECONDS, return_when=first)
            if ended.done():
                raise await self._error(f"ended at its start (exit {ended.result()})")
            if not ready.done():
                raise await self._error(f"was not ready within {READY_SECONDS:.0f} s")
        finally:
            ready.cancel()
            ended.cancel()
        self._say(f"{self.name} is ready ({time.monotonic() - began:.1f} s)")

    async def keep(self) -> None:
        """Start it again whenever it ends, until `stop`.

        Raises:
            UpError: It ended quickly more than QUICK_ENDS times in a row.
        """
        ends = 0
        pause = PAUSE_SECONDS[0]
        while True:
            assert self._process is not None
            began = time.monotonic()
            code = await self._process.wait()
            if self._stopping:
                return
            if time.monotonic() - began < QUICK_SECONDS:
                ends += 1
                pause = min(2 * pause, PAUSE_SECONDS[1])
            else:
                ends = 1
                pause = PAUSE_SECONDS[0]
            if ends > QUICK_ENDS:
                raise await self._error(f"keeps ending (exit {code})")
            what = f"{self.name} ended (exit {code}), restarting in {pause:.1f} s"
            self._say(f"{what}; log: {self._log_path}")
            await asyncio.sleep(pause)
            await self._spawn()

    async def stop(self, seconds: float) -> None:
        """Send SIGTERM, and SIGKILL after this number of seconds."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            self._say(f"{self.name} did not stop within {seconds:.0f} s, killing it")
        session.kill(process.pid, signal.SIGKILL)
        await process.wait()
        self._pid_file.unlink(missing_ok=True)

    async def _spawn(self) -> Process:
        self._announced.clear()
        try:
            process, self._output = await self._begin(self._receive)
        except OSError as error:
            raise UpError(f"the {self.name} cannot be started: {error.strerror}") from error
        self._process = process
        session.record(self._pid_file, process.pid)
        return process

    def _receive(self, data: bytes) -> None:
        self._log.write(data)
        if any(_is_json_object(line) for line in data.splitlines()):
            self._announced.set()

    async def _ready(self) -> None:
        if self._probe is None:
            await self._announced.wait()
            return
        while True:
            if await self._probe():
                return
            await asyncio.sleep(0.1)

    async def _error(self, problem: str) -> UpError:
        """Return the error with the last line of the log."""
        if self._output:
            await asyncio.wait([self._output], timeout=1.0)
        log = self._log_path.read_text(errors="replace") if self._log_path.exists() else ""
        lines = [line.strip() for line in log.split("\n") if line.strip()]
        last = lines[-1][:600] if lines else "no output"
        return UpError(f"the {self.name} {problem}: {last}; log: {self._log_path}")


def _is_json_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False

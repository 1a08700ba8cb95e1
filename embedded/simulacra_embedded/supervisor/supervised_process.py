"""One program under supervision: started, known to be ready, started again when it dies, stopped."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path

from simulacra_embedded import procfs
from simulacra_embedded.processes import LogFile, record, spawn
from simulacra_embedded.supervisor.errors import UpError

QUICK_SECONDS = 10.0
"""A program that dies within this time after its start counts as dying at once."""
QUICK_DEATHS = 5
PAUSE_SECONDS = (0.5, 8.0)
READY_SECONDS = 60.0

Say = Callable[[str], None]
Probe = Callable[[], Awaitable[bool]]


class Child:
    """A program of `simulacra up`.

    Args:
        name: What people call it.
        arguments: After `python`.
        env: Its environment.
        log, pid_file: Where its output and its pid go.
        probe: Whether it works, asked until yes; None: it prints a JSON line when it does.
        say: Tells the user.
    """

    def __init__(
        self,
        name: str,
        arguments: list[str],
        env: Mapping[str, str],
        log: Path,
        pid_file: Path,
        say: Say,
        probe: Probe | None = None,
    ) -> None:
        self.name, self._arguments, self._env = name, arguments, env
        self._log_path, self._pid_file, self._probe, self._say = log, pid_file, probe, say
        self._log = LogFile(log)
        self._process: asyncio.subprocess.Process | None = None
        self._announced = asyncio.Event()
        self._output: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Start it and wait until it works.

        Raises:
            UpError: It died before, or took longer than READY_SECONDS.
        """
        began = time.monotonic()
        process = await self._spawn()
        ready, dead = asyncio.ensure_future(self._ready()), asyncio.ensure_future(process.wait())
        try:
            await asyncio.wait(
                (ready, dead), timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if dead.done():
                raise UpError(
                    f"the {self.name} ended at its start (exit {dead.result()}): {await self._last_words()}"
                )
            if not ready.done():
                late = f"the {self.name} was not ready within {READY_SECONDS:.0f} s"
                raise UpError(f"{late}: {await self._last_words()}")
        finally:
            ready.cancel()
            dead.cancel()
        self._say(f"{self.name} is ready ({time.monotonic() - began:.1f} s)")

    async def keep(self) -> None:
        """Start it again whenever it dies, until `stop`.

        Raises:
            UpError: It died QUICK_DEATHS times in a row right after its start.
        """
        deaths, pause = 0, PAUSE_SECONDS[0]
        while True:
            assert self._process is not None
            began = time.monotonic()
            code = await self._process.wait()
            if self._stopping:
                return
            quick = time.monotonic() - began < QUICK_SECONDS
            deaths, pause = (
                (deaths + 1, min(2 * pause, PAUSE_SECONDS[1])) if quick else (1, PAUSE_SECONDS[0])
            )
            if deaths > QUICK_DEATHS:
                raise UpError(
                    f"the {self.name} keeps ending (exit {code}): {await self._last_words()}"
                )
            self._say(
                f"{self.name} ended (exit {code}); starting it again in {pause:.1f} s; log: {self._log_path}"
            )
            await asyncio.sleep(pause)
            await self._spawn()

    async def stop(self, seconds: float) -> None:
        """SIGTERM, and SIGKILL after so many seconds."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            self._say(f"{self.name} did not stop within {seconds:.0f} s and is killed")
        procfs.kill_session(process.pid, signal.SIGKILL)
        await process.wait()
        self._pid_file.unlink(missing_ok=True)

    async def _spawn(self) -> asyncio.subprocess.Process:
        self._announced.clear()
        process, self._output = await spawn(
            [sys.executable, *self._arguments], self._env, None, self._heard
        )
        self._process = process
        record(self._pid_file, process.pid)
        return process

    def _heard(self, data: bytes) -> None:
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

    async def _last_words(self) -> str:
        if self._output:
            await asyncio.wait([self._output], timeout=1.0)
        lines = (
            self._log_path.read_text(errors="replace").split("\n")
            if self._log_path.exists()
            else []
        )
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
        return f"{last[:600]}; log: {self._log_path}"


def _is_json_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False

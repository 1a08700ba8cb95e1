"""Pods as forks of a process that has imported the trainer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulacra_crds.tasks import TERMINATION_PATH_ENV, ExitCode
from simulacra_embedded.node.environment import of_imports
from simulacra_embedded.processes.forks import Forks
from simulacra_trainer.kernel_cache import user_cache


class Bench:
    """Starts forks in a folder, and keeps what they print."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.output = folder, b""
        self.env = of_imports(user_cache()) | {TERMINATION_PATH_ENV: str(folder / "end")}
        self.forks = Forks("simulacra_embedded.node.preloaded", of_imports(user_cache()))
        self.package, self.server = "simulacra_trainer", 0

    async def start(self, *arguments: str) -> tuple[int, asyncio.Task[int], asyncio.Task[None]]:
        fork, fed = await self.forks.start(
            self.package, arguments, self.env, self.folder, self._take
        )
        self.server = _stat(fork.pid, 1)
        assert _stat(fork.pid, 3) == fork.pid  # a session of its own
        return fork.pid, asyncio.create_task(fork.wait()), fed

    async def run(self, *arguments: str) -> int:
        _, end, fed = await self.start(*arguments)
        code = await asyncio.wait_for(end, 60)
        await asyncio.wait_for(fed, 60)
        return code

    def _take(self, output: bytes) -> None:
        self.output += output


def _stat(pid: int, field: int) -> int:
    """Return a number of /proc/PID/stat, counted from the state."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return int(text.rpartition(")")[2].split()[field])


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    one = Bench(tmp_path)
    yield one
    if one.server:
        os.kill(one.server, signal.SIGKILL)


async def test_fork_has_arguments_environment_and_folder_of_its_pod(bench: Bench) -> None:
    assert await bench.run("walk") == 2
    assert b"usage: python -m simulacra_trainer run" in bench.output
    first = bench.server
    bench.env |= {"SIMULACRA_TASK": "no task", "VAULT_TOKEN": "a secret"}
    assert await bench.run("run") == ExitCode.PERMANENT
    assert bench.server == first
    assert b"task rejected" in bench.output
    assert json.loads((bench.folder / "end").read_bytes())["outcome"] == "Failed"
    for file in ("environ", "cmdline"):
        assert b"a secret" not in Path(f"/proc/{first}/{file}").read_bytes()


async def test_forks_end_with_the_process_that_forks_and_the_next_has_another(bench: Bench) -> None:
    pid, end, _ = await bench.start("run")
    os.kill(pid, signal.SIGSTOP)
    before = bench.server
    os.kill(before, signal.SIGKILL)
    # Somebody ended them. SIGKILL would say that the pod needs more memory.
    assert await asyncio.wait_for(end, 60) == -signal.SIGTERM
    while Path(f"/proc/{pid}").exists() and _state(pid) != "Z":
        await asyncio.sleep(0.05)
    assert await bench.run() == 2
    assert bench.server != before


async def test_signal_of_a_fork_is_its_exit_code(bench: Bench) -> None:
    pid, end, _ = await bench.start("run")
    os.kill(pid, signal.SIGKILL)
    assert await asyncio.wait_for(end, 60) == -signal.SIGKILL


async def test_signal_to_terminate_all_is_for_the_forks(bench: Bench) -> None:
    """As systemd and logind send it: forks have time for their end."""
    pid, end, _ = await bench.start("run")
    before = bench.server
    for one in (before, pid):
        os.kill(one, signal.SIGTERM)
    assert await asyncio.wait_for(end, 60) == -signal.SIGTERM
    assert await bench.run() == 2
    assert bench.server == before


async def test_imports_that_fail_are_an_error_of_the_start(bench: Bench) -> None:
    bench.forks = Forks("simulacra_embedded.node.absent", bench.env)
    with pytest.raises(OSError) as found:
        await bench.run("run")
    assert found.value.strerror == "the process that starts programs has ended"  # the pod's message


async def test_program_that_cannot_be_imported_says_so_in_its_own_output(bench: Bench) -> None:
    bench.forks = Forks("simulacra_embedded.processes.fork_server", bench.env)
    bench.package = "simulacra_embedded.absent"
    for _ in range(2):  # the process that forks goes on
        bench.output = b""
        assert await bench.run() == 1
        assert b"ModuleNotFoundError: No module named 'simulacra_embedded.absent'" in bench.output


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

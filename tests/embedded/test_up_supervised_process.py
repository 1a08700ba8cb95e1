"""One supervised program: readiness, restarts, giving up, stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from simulacra_embedded.processes.child import spawn
from simulacra_embedded.supervisor import UpError
from simulacra_embedded.supervisor import supervised_process as module
from simulacra_embedded.supervisor.supervised_process import SupervisedProcess

Make = Callable[[str], SupervisedProcess]

READY = "import sys, time; print('{\"ready\": true}', flush=True); time.sleep(60)"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setattr(module, "PAUSE_SECONDS", (0.05, 0.1))

    def build(code: str) -> SupervisedProcess:
        return SupervisedProcess(
            "thing",
            partial(spawn, [sys.executable, "-c", code], os.environ, None),
            tmp_path / "thing.log",
            tmp_path / "pid.json",
            lambda text: None,
        )

    return build


def pid_of(child: SupervisedProcess) -> int:
    assert child._process is not None
    return child._process.pid


async def test_program_is_ready_after_its_line_and_stops_on_sigterm(
    make: Make,
) -> None:
    child = make(READY)
    await child.start()
    os.kill(pid_of(child), 0)
    await child.stop(5)
    with pytest.raises(ProcessLookupError):
        os.kill(pid_of(child), 0)


async def test_early_end_is_reported_with_the_last_output(make: Make, tmp_path: Path) -> None:
    child = make("raise SystemExit('no disk left')")
    with pytest.raises(
        UpError, match=rf"the thing ended at its start \(exit 1\): no disk left; log: {tmp_path}"
    ):
        await child.start()


async def test_program_that_is_never_ready_is_reported(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READY_SECONDS", 0.5)
    child = make("import time; print('the store has another owner', flush=True); time.sleep(60)")
    with pytest.raises(UpError, match=r"not ready within .*: the store has another owner; log: "):
        await child.start()
    await child.stop(1)


async def test_program_is_restarted_after_its_end(make: Make) -> None:
    child = make(READY)
    await child.start()
    first = pid_of(child)
    keeping = asyncio.ensure_future(child.keep())
    os.kill(first, signal.SIGKILL)
    while pid_of(child) == first:
        await asyncio.sleep(0.02)
    os.kill(pid_of(child), 0)
    await child.stop(5)
    await keeping


async def test_program_that_keeps_ending_is_given_up(make: Make, tmp_path: Path) -> None:
    count = tmp_path / "count"
    code = f"""
import pathlib, time
path = pathlib.Path({str(count)!r})
path.write_text(path.read_text() + 'x' if path.exists() else 'x')
print('{{"ready": true}}', flush=True)
time.sleep(0.3)
raise SystemExit('broken again')
"""
    child = make(code)
    await child.start()
    with pytest.raises(UpError, match=r"keeps ending \(exit 1\): broken again; log: "):
        await asyncio.wait_for(child.keep(), 60)
    assert len(count.read_text()) == module.QUICK_ENDS + 1


async def test_program_that_ignores_sigterm_is_killed(make: Make) -> None:
    child = make("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY)
    await child.start()
    await asyncio.wait_for(child.stop(0.5), 60)
    with pytest.raises(ProcessLookupError):
        os.kill(pid_of(child), 0)

"""Kernels are compiled ahead by a child process, once for each version of the code."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from numba.core.caching import UserProvidedCacheLocator

from installation import eventually
from simulacra_trainer import compile_ahead, kernel_cache
from simulacra_trainer.compile_ahead import compiled_ahead
from simulacra_trainer.cpus import threads
from simulacra_trainer.kernel_cache import KERNELS, is_cold

SURVEY = Path(__file__).parents[2] / "examples" / "gss_survey.csv"
SIGNATURES = f"""
import gc
from pathlib import Path
from numba.core.dispatcher import Dispatcher
from simulacra_crds.tasks import FitRequest
from simulacra_trainer.compile_ahead import compile_kernels
from simulacra_trainer.in_process import fit_table

def compiled():
    kernels = [one for one in gc.get_objects() if isinstance(one, Dispatcher)]
    kernels = [one for one in kernels if one.py_func.__module__.startswith("simulacra_trainer")]
    kernels = [one for one in kernels if one.stats.cache_path]
    return {{f"{{one.__name__}}{{each}}" for one in kernels for each in one.signatures}}

compile_kernels()
ahead = compiled()
assert any(one.startswith("row_terms") for one in ahead)  # for smaller tables than this survey
fit_table(Path({str(SURVEY)!r}), FitRequest())
print(len(ahead), sorted(compiled() - ahead))
"""
KILLED = """
import os, signal, time
from simulacra_trainer.compile_ahead import compiled_ahead
with compiled_ahead():
    (pid,) = map(int, open(f"/proc/self/task/{os.getpid()}/children").read().split())
    while "llvmlite" not in open(f"/proc/{pid}/maps").read():
        time.sleep(0.05)
    os.kill(pid, signal.SIGSTOP)
    print(pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
"""Stopped while it compiles, the child cannot end by itself."""
needs_two = pytest.mark.skipif(threads() < 2, reason="needs two processors")


def _children() -> set[str]:
    found = Path("/proc/self/task").glob("*/children")
    return {pid for one in found for pid in one.read_text().split()}


def _python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=os.environ | env, capture_output=True, text=True, timeout=300
    )


def test_cache_is_cold_until_it_has_the_kernels_of_this_code(tmp_path: Path) -> None:
    env = {"NUMBA_CACHE_DIR": str(tmp_path)}
    indexes = []
    for name in KERNELS:
        source = Path(kernel_cache.__file__).parent / name
        assert source.is_file()
        assert is_cold(env)
        folder = tmp_path / UserProvidedCacheLocator.get_suitable_cache_subpath(str(source))
        folder.mkdir()
        indexes.append(folder / f"{source.stem}.walk-1.py311.nbi")
        indexes[-1].touch()
    assert not is_cold(env)
    os.utime(indexes[0], (0, 0))  # older than the code
    assert is_cold(env)
    code = (Path(kernel_cache.__file__).parent / KERNELS[0]).read_bytes()
    indexes[0].write_bytes(b"an index of " + hashlib.sha256(code).digest())
    os.utime(indexes[0], (0, 0))  # the same code was installed again, and numba knows it
    assert not is_cold(env)
    indexes[0].unlink()
    indexes[0].symlink_to(tmp_path / "gone")  # as of an image's kernels that were removed
    assert is_cold(env)


def test_a_warm_cache_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_ahead, "is_cold", lambda: False)
    before = _children()
    with compiled_ahead():
        assert _children() == before


@needs_two
def test_the_process_that_compiles_ends_with_the_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PASSWORD", "zq_secret")
    before = _children()
    with compiled_ahead():
        (pid,) = _children() - before
        given = Path(f"/proc/{pid}/environ").read_bytes()
        assert str(tmp_path).encode() in given
        assert b"zq_secret" not in given
    assert _children() == before


def test_a_fit_runs_where_no_process_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compile_ahead, "COMPILE_AHEAD", ("",))
    before = _children()
    with compiled_ahead():
        assert _children() == before


@needs_two
def test_the_process_that_compiles_dies_with_its_parent(tmp_path: Path) -> None:
    done = _python(KILLED, NUMBA_CACHE_DIR=str(tmp_path))
    pid = int(done.stdout)
    try:
        eventually(lambda: not Path(f"/proc/{pid}/cmdline").exists())
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_fit_needs_no_kernel_that_was_not_compiled_ahead() -> None:
    done = _python(SIGNATURES)
    assert done.returncode == 0, done.stderr
    count, _, missing = done.stdout.strip().partition(" ")
    assert int(count) > 10
    assert missing == "[]"

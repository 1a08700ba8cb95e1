"""The number of threads follows the CPU quota of the container."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulacra_trainer import cpus


@pytest.mark.parametrize(
    ("text", "quota"),
    [("150000 100000\n", 1.5), ("max 100000\n", None), ("", None), ("0 0\n", None)],
)
def test_the_quota_of_cgroup_v2_is_read(tmp_path: Path, text: str, quota: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert cpus.cpu_quota(tmp_path) == quota


@pytest.mark.parametrize(("text", "quota"), [("200000", 2.0), ("-1", None)])
def test_the_quota_of_cgroup_v1_is_read(tmp_path: Path, text: str, quota: float | None) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(text)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert cpus.cpu_quota(tmp_path) == quota


def test_without_a_cgroup_there_is_no_quota(tmp_path: Path) -> None:
    assert cpus.cpu_quota(tmp_path) is None


def test_threads_do_not_exceed_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(cpus, "cpu_quota", lambda: 0.5)
    assert cpus.threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert cpus.threads() == 7


def test_threads_are_told_not_to_spin_before_openmp_is_loaded() -> None:
    """GNU OpenMP reads the setting once, when the first library that needs it is loaded."""
    code = """
import os, simulacra_trainer
assert "libgomp" not in open("/proc/self/maps").read()
import lightgbm
assert "libgomp" in open("/proc/self/maps").read()
print(os.environ["GOMP_SPINCOUNT"])
"""
    env = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "3000\n"), done.stderr

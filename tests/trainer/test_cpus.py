"""The number of threads follows the CPU quota of the container."""

from __future__ import annotations

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

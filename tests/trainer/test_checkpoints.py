"""Stored checkpoints of a fit: when they are stored, and how the next pod resumes from them."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import pytest

from installation import eventually
from simulacra_crds.kinds.base import Artifact
from simulacra_crds.tasks import CHECKPOINT_PREFIX, ExitCode, FitRequest
from simulacra_custody.errors import CustodyError
from simulacra_trainer.tasks.artifacts import Artifacts
from simulacra_trainer.tasks.fit import StoredCheckpoints
from simulacra_trainer.workers import Workers, workers_of
from trainer_pod import Pod


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def names(pod: Pod) -> list[str]:
    return pod.artifacts("models").names(CHECKPOINT_PREFIX)


def write(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_restore_downloads_the_stored_checkpoints(pod: Pod, tmp_path: Path) -> None:
    clock = Clock()
    first = StoredCheckpoints(pod.artifacts("models"), tmp_path / "first", clock)
    first.restore()
    assert list(first.directory.iterdir()) == []
    write(first.directory, "graph-1.json", b"graph")
    write(first.directory, "neural-1/best.ckpt", b"best")
    write(first.directory, "neural-1/last.ckpt", b"last")
    write(first.directory, "neural-1/trained.part", b"not whole")
    first.store()
    assert names(pod) == [
        "checkpoint/graph-1.json",
        "checkpoint/neural-1--best.ckpt",
        "checkpoint/neural-1--last.ckpt",
    ]
    second = StoredCheckpoints(pod.artifacts("models"), tmp_path / "second", clock)
    second.restore()
    found = {
        str(path.relative_to(second.directory)): path.read_bytes()
        for path in second.directory.rglob("*.*")
    }
    assert found == {
        "graph-1.json": b"graph",
        "neural-1/best.ckpt": b"best",
        "neural-1/last.ckpt": b"last",
    }
    second.erase()
    assert names(pod) == []


def test_checkpoints_are_stored_encrypted(pod: Pod, tmp_path: Path) -> None:
    checkpoints = StoredCheckpoints(pod.artifacts("models"), tmp_path / "c")
    write(checkpoints.directory, "graph-1.json", b"zq_column")
    checkpoints.store()
    stored = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert stored
    assert not any(b"zq_column" in path.read_bytes() for path in stored)


def test_removed_files_are_erased_and_unchanged_ones_not_stored_again(
    pod: Pod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[str] = []
    upload = Artifacts.upload

    def recorded(own: Artifacts, name: str, path: Path) -> Artifact:
        stored.append(name)
        return upload(own, name, path)

    monkeypatch.setattr(Artifacts, "upload", recorded)
    checkpoints = StoredCheckpoints(pod.artifacts("models"), tmp_path / "c", Clock())
    write(checkpoints.directory, "n/best.ckpt", b"best")
    write(checkpoints.directory, "n/last.ckpt", b"last")
    checkpoints.store()
    assert stored == ["checkpoint/n--best.ckpt", "checkpoint/n--last.ckpt"]  # last refers to best
    write(checkpoints.directory, "n/last.ckpt", b"a later one")
    (checkpoints.directory / "n" / "best.ckpt").unlink()
    checkpoints.store()
    assert stored[2:] == ["checkpoint/n--last.ckpt"]
    assert names(pod) == ["checkpoint/n--last.ckpt"]


def test_storing_takes_a_tenth_of_the_time_at_most(
    pod: Pod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    stored: list[float] = []

    def upload(_own: Artifacts, _name: str, _path: Path) -> None:
        stored.append(clock.now)
        clock.now += 2.0

    monkeypatch.setattr(Artifacts, "upload", upload)
    checkpoints = StoredCheckpoints(pod.artifacts("models"), tmp_path / "c", clock)
    for step in range(100):
        write(checkpoints.directory, "last.ckpt", b"x" * (step + 1))
        checkpoints.store()
        clock.now += 1.0
    gaps = [later - earlier for earlier, later in itertools.pairwise(stored)]
    assert min(gaps) >= 22.0
    assert len(stored) == 5


def test_an_error_of_the_store_does_not_end_a_fit(
    pod: Pod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise CustodyError("no")

    checkpoints = StoredCheckpoints(pod.artifacts("models"), tmp_path / "c", Clock())
    write(checkpoints.directory, "last.ckpt", b"last")
    with monkeypatch.context() as patch:
        patch.setattr(Artifacts, "upload", refuse)
        checkpoints.store()
    assert names(pod) == []
    checkpoints.store()
    assert names(pod) == ["checkpoint/last.ckpt"]


@pytest.mark.neural
@pytest.mark.reliability
def test_a_fit_resumes_after_its_pod_was_killed(pod: Pod) -> None:
    pod.prepare_for(FitRequest(family="neural", seed=3))
    first = pod.start("fit", "models")
    half_done = "trained.ckpt"
    eventually(lambda: any(name.endswith(half_done) for name in names(pod)), 300)
    os.kill(first.pid, signal.SIGKILL)
    first.wait(60)
    assert pod.start("fit", "models").wait(400) == ExitCode.OK
    assert "interrupted fit resumed" in (pod.root / "0.log").read_text()
    assert pod.result().family == "neural"
    assert names(pod) == []


def test_the_rank_of_a_worker_is_read_from_its_environment() -> None:
    env = {"MASTER_ADDR": "fit-0.fit.tenant-a.svc", "MASTER_PORT": "29500"}
    assert workers_of(env, 1, 2) == Workers(1, 2, "fit-0.fit.tenant-a.svc", 29500)
    assert workers_of({}, 0, 1) is None
    for broken in ({}, {**env, "MASTER_PORT": "leader"}, {**env, "MASTER_PORT": "0"}):
        with pytest.raises(ValueError, match="MASTER_ADDR and MASTER_PORT"):
            workers_of(broken, 0, 2)
    with pytest.raises(ValueError, match="completion index"):
        workers_of(env, 2, 2)


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_the_shares_of_all_workers_make_up_the_batch(size: int) -> None:
    parts = [Workers(rank, size, "here", 1).part(8) for rank in range(size)]
    assert [one for part in parts for one in range(8)[part]] == list(range(8))

"""Several workers train one network: what each sees of a batch, what all agree on, and what comes
of it.
"""

from __future__ import annotations

import os
import signal
import threading
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from ports import free_port
from simulacra_crds.tasks import DATASET, ExitCode, FitRequest
from simulacra_schema.table import TableSchema
from simulacra_trainer.families.base import no_progress
from simulacra_trainer.workers import PeerLost, Workers
from trainer_pod import Pod
from trainer_tables import survey

pytestmark = [
    pytest.mark.neural,
    pytest.mark.skipif(find_spec("pytorch_lightning") is None, reason="needs the neural extra"),
]


def test_workers_together_see_the_batch_of_a_single_process() -> None:
    from simulacra_trainer.families.neural.batches import TableBatches, code_table
    from simulacra_trainer.families.neural.coding import fit_coding

    table, schema = survey(300, seed=3)
    codings = [fit_coding(table.column(column.name), column) for column in schema.learned()]
    values = [coding.codec.values(table.column(coding.codec.name)) for coding in codings]
    order = list(range(len(codings)))
    coded = code_table(codings, values, order, order)
    whole = TableBatches(coded, seed=5)
    for size in (2, 8):
        parts = [
            TableBatches(coded, seed=5, part=Workers(rank, size, "here", 1).part)
            for rank in range(size)
        ]
        assert {one.batch_rows for one in parts} == {whole.batch_rows}
        for step in (0, 7):
            batches = [one.batch(step) for one in parts]
            for name in ("codes", "cells", "inputs"):
                together = np.concatenate([getattr(one, name).numpy() for one in batches], axis=1)
                assert np.array_equal(together, getattr(whole.batch(step), name).numpy())
            together = np.concatenate([one.sees.numpy() for one in batches])
            assert np.array_equal(together, whole.batch(step).sees.numpy())


def test_workers_together_drop_the_same_units_as_one() -> None:
    import torch

    from simulacra_trainer.families.neural.network import Batch
    from simulacra_trainer.families.neural.training import TrainedNetwork, TrainingPlan

    class Noted(torch.nn.Module):
        def nll(self, _batch: Batch, keep: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
            self.keep = keep
            return torch.zeros(1)

    def kept(rows: int, workers: Workers | None) -> list[np.ndarray]:
        module = TrainedNetwork(Noted(), TrainingPlan(3, False, 2, 1e-3, 100), workers)
        empty = torch.zeros(3, rows)
        module.training_step(Batch(empty, empty, empty, empty), 0)
        return [one.numpy() for one in module.network.keep]

    whole = kept(16, None)
    parts = [kept(4, Workers(rank, 4, "here", 1)) for rank in range(4)]
    for layer in (0, 1):
        assert np.array_equal(np.concatenate([one[layer] for one in parts], axis=1), whole[layer])
    assert 0.3 < np.mean(whole[0] == 0) < 0.5


def test_workers_compare_share_and_finish_together() -> None:
    import torch.distributed as dist

    from simulacra_trainer.families.neural.worker_group import WorkerGroup

    port, heard, errors = free_port(), {}, list[BaseException]()

    def work(rank: int) -> None:
        try:
            master = rank == 0
            store = dist.TCPStore("127.0.0.1", port, is_master=master, wait_for_workers=False)
            group = WorkerGroup(Workers(rank, 3, "127.0.0.1", port), store)
            said = [group.agrees("same"), group.agrees(f"mine is {min(rank, 1)}")]
            heard[rank] = (said, group.share(b"order" if master else None))
            group.finish()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert heard == dict.fromkeys(range(3), ([True, False], b"order"))


def test_lost_connection_raises_peer_lost() -> None:
    import torch.distributed as dist

    from simulacra_trainer.families.neural.worker_group import joined

    port = free_port()
    with pytest.raises(PeerLost), joined(Workers(0, 1, "127.0.0.1", port), on_gpu=False):
        raise dist.DistNetworkError("recvValue failed")
    with pytest.raises(ZeroDivisionError), joined(Workers(0, 1, "127.0.0.1", port), on_gpu=False):
        raise ZeroDivisionError


def started(pod: Pod, size: int) -> list:
    env = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "GLOO_SOCKET_IFNAME": "lo"}
    env["OMP_NUM_THREADS"] = "1"
    return [pod.start("fit", "models", rank, size, **env) for rank in range(size)]


@pytest.mark.reliability
def test_two_workers_fit_the_same_model_as_one(tmp_path: Path) -> None:
    from simulacra_trainer.families.neural import NEURAL

    pods = []
    for size in (1, 2):
        pod = Pod(tmp_path / str(size))
        pod.prepare_for(FitRequest(family="neural", seed=3))
        assert [one.wait(400) for one in started(pod, size)] == [ExitCode.OK] * size
        assert not (pod.root / "termination-1").exists(), "the first alone says what came of it"
        pods.append(pod)
    schema = pods[0].artifacts("datasets").load("schema.json", TableSchema)
    import pyarrow.parquet as pq

    table = pq.read_table(
        pods[0].artifacts("datasets").download(DATASET, tmp_path / "data.parquet")
    )
    table = table.select([column.name for column in schema.learned()])
    judged = []
    for pod in pods:
        folder = tmp_path / f"model-{pod.root.name}"
        folder.mkdir()
        for name in pod.artifacts("models").names("model/"):
            pod.artifacts("models").download(name, folder / name.removeprefix("model/"))
        judged.append(NEURAL.load(folder, table, schema).log_likelihood(table))
    # sums are rounded in another order, and a training makes more of that with every step
    assert abs(judged[0].mean() - judged[1].mean()) < 0.02
    assert np.corrcoef(*judged)[0, 1] > 0.999


@pytest.mark.reliability
@pytest.mark.parametrize("victim", [0, 1])
def test_after_one_worker_is_killed_the_fit_resumes_with_both(tmp_path: Path, victim: int) -> None:
    from installation import eventually

    pod = Pod(tmp_path)
    pod.prepare_for(FitRequest(family="neural", seed=3))
    workers = started(pod, 2)
    names = pod.artifacts("models").names
    eventually(lambda: any(name.endswith("last.ckpt") for name in names("checkpoint/")), 300)
    os.kill(workers[victim].pid, signal.SIGKILL)
    assert workers[victim].wait(60) == -signal.SIGKILL
    assert workers[1 - victim].wait(120) == ExitCode.PEER
    assert pod.result(1 - victim).message == "Another worker of this fit stopped early."
    assert [one.wait(400) for one in started(pod, 2)] == [ExitCode.OK] * 2
    assert pod.result().family == "neural"
    assert names("checkpoint/") == []


@pytest.mark.parametrize("columns", [["city", "segment"], ["age", "city"]])
def test_group_of_one_fits_the_same_model_as_no_group(
    columns: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns without numbers leave the weights of numbers unused, which torch must be told."""
    from simulacra_trainer.families.neural import NEURAL, training
    from simulacra_trainer.families.neural.worker_group import joined

    # Two intervals of steps: any later step is as equal as the first ones.
    monkeypatch.setattr(training, "BUDGET_S", 0.3)
    monkeypatch.setattr(training, "MIN_BUDGET_S", 0.3)
    table, schema = survey(300, seed=3)
    few = TableSchema(
        rows=schema.rows, columns=[one for one in schema.columns if one.name in columns]
    )
    drawn = []
    with joined(Workers(0, 1, "127.0.0.1", free_port()), on_gpu=False) as group:
        for options in ({}, {"group": group}):
            rows = table.select(columns)
            fitted = NEURAL.fit(rows, few, columns, seed=0, options=options, progress=no_progress)
            drawn.append(fitted.sample(200, np.random.default_rng(1)))
    assert drawn[0].equals(drawn[1])

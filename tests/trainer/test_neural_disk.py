"""What the neural family writes and reads: models, checkpoints, and nothing else."""

import json
import logging
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file, save_file

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.scratch import EncryptedPath
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.table import TableSchema
from simulacra_schema.worth import worth_of
from simulacra_trainer.families.base import (
    Family,
    FittedModel,
    ModelFileError,
    Progress,
    no_progress,
)
from simulacra_trainer.pipeline.fit import TrainedModel, fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.trained_model import load_model, save_model
from trainer_tables import survey

pytestmark = [
    pytest.mark.neural,
    pytest.mark.skipif(find_spec("pytorch_lightning") is None, reason="needs the neural extra"),
]
TRAINING = "simulacra_trainer.families.neural.training"

TABLE, SCHEMA = survey(300, seed=3)
NARROW = ["age", "segment", "city"]


def family() -> Family:
    """Return the neural family; torch takes seconds to import, and every process collects this."""
    from simulacra_trainer.families.neural import NEURAL

    return NEURAL


def fit(seed: int = 0, progress: Progress = no_progress, **options: object) -> FittedModel:
    schema = TableSchema(rows=SCHEMA.rows, columns=[c for c in SCHEMA.columns if c.name in NARROW])
    return family().fit(
        TABLE.select(NARROW), schema, NARROW, seed=seed, options=options, progress=progress
    )


def draw(model: FittedModel, n: int = 2000) -> pa.Table:
    return model.sample(n, np.random.default_rng(4))


@pytest.fixture(scope="module", autouse=True)
def short_training() -> Iterator[None]:
    """Train for less than a hundred steps: these tests are about files, not about likeness."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{TRAINING}.MIN_BUDGET_S", 0.6)
        patch.setattr(f"{TRAINING}.BUDGET_S", 0.6)
        yield


@pytest.fixture(scope="module")
def neural(short_training: None) -> TrainedModel:
    return fit_model(TABLE, SCHEMA, FitRequest(family="neural", seed=0))


def test_conditions_are_met_exactly(neural: TrainedModel) -> None:
    conditions = ConditionSet.model_validate(
        {"categorical": {"segment": {"switcher": 0.3}}, "numeric": {"price": {"min": 5, "max": 6}}}
    )
    plan = plan_generation(neural, GenerateRequest(row_count=1000, conditions=conditions, seed=1))
    rows = pa.concat_tables(generate_rows(neural, plan))
    assert rows.column("segment").to_pylist().count("switcher") == 300
    prices = np.array(rows.column("price").to_pylist())
    assert ((prices >= 5) & (prices <= 6)).all()


def test_the_worth_of_rows_is_measured_as_for_the_forest(neural: TrainedModel) -> None:
    ratio = neural.report["worth"]["ratio"]
    plan = plan_generation(neural, GenerateRequest(row_count=1000))
    weights = pa.concat_tables(generate_rows(neural, plan)).column("evidence_weight").to_numpy()
    assert 0.1 <= ratio <= 1
    assert weights.sum() == pytest.approx(worth_of(300, 1000, ratio))


def test_intervention_sets_its_column_in_every_row(neural: TrainedModel) -> None:
    request = GenerateRequest(row_count=2000, interventions={"price": 6.0}, seed=1)
    rows = pa.concat_tables(generate_rows(neural, plan_generation(neural, request)))
    assert set(rows.column("price").to_pylist()) == {6.0}


def test_saved_model_loads_with_the_same_draws(neural: TrainedModel, tmp_path: Path) -> None:
    save_model(neural, tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.family == "neural"
    assert loaded.model.columns == neural.model.columns
    assert draw(loaded.model).equals(draw(neural.model))


def shape(tensors: dict) -> None:
    tensors["w1"] = tensors["w1"][:-1].copy()


def kind(tensors: dict) -> None:
    tensors["w1"] = tensors["w1"].astype(np.float64)


def names(tensors: dict) -> None:
    tensors["more"] = np.zeros(3, np.float32)


def missing(tensors: dict) -> None:
    del tensors["bias"]


def not_finite(tensors: dict) -> None:
    tensors["head"][0, 0] = float("nan")


@pytest.mark.parametrize("damage", [shape, kind, names, missing, not_finite])
def test_damaged_tensors_are_rejected(neural: TrainedModel, tmp_path: Path, damage) -> None:
    neural.model.save(tmp_path)
    tensors = dict(load_file(tmp_path / "model.safetensors"))
    damage(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ModelFileError):
        family().load(tmp_path, TABLE, SCHEMA)


def test_damaged_files_are_rejected(neural: TrainedModel, tmp_path: Path) -> None:
    neural.model.save(tmp_path)
    path, tensors = tmp_path / "neural.json", tmp_path / "model.safetensors"
    whole, weights = path.read_text(), tensors.read_bytes()
    config = json.loads(whole)
    for damaged in (
        "",
        "[]",
        whole[:20],
        json.dumps({**config, "version": 9}),
        json.dumps({**config, "order": config["order"][:-1]}),
        json.dumps({**config, "order": [config["order"][0]] * len(config["order"])}),
        json.dumps({**config, "order": [True, "0", 1.5, None, [], {}, 3]}),
        " " * (2 << 20) + whole,
    ):
        path.write_text(damaged)
        with pytest.raises(ModelFileError):
            family().load(tmp_path, TABLE, SCHEMA)
    path.write_text(whole)
    huge_header = (2**40).to_bytes(8, "little") + weights[8:]
    for damaged_bytes in (b"", weights[:1000], huge_header, weights + bytes(4 << 20)):
        tensors.write_bytes(damaged_bytes)
        with pytest.raises(ModelFileError):
            family().load(tmp_path, TABLE, SCHEMA)
    tensors.unlink()
    with pytest.raises(ModelFileError):
        family().load(tmp_path, TABLE, SCHEMA)


class Killed(Exception):
    pass


def cut_short_after(steps: int) -> Progress:
    told = iter(range(steps))

    def progress(_done: float) -> None:
        if next(told, None) is None:
            raise Killed

    return progress


def test_interrupted_training_resumes_to_the_same_model(tmp_path: Path) -> None:
    every, later, again = list[float](), list[float](), list[float]()
    whole = fit(checkpoints=tmp_path / "whole", progress=every.append)
    with pytest.raises(Killed):
        fit(checkpoints=tmp_path / "first", progress=cut_short_after(100))
    assert list((tmp_path / "first").rglob("*.ckpt"))
    (tmp_path / "first").rename(tmp_path / "second")  # as in another pod
    resumed = fit(checkpoints=tmp_path / "second", progress=later.append)
    assert later == every[80:]  # from the last look at the validation rows
    assert draw(resumed).equals(draw(whole))
    assert [path.name for path in tmp_path.rglob("*.ckpt")] == ["trained.ckpt"] * 2
    assert draw(fit(checkpoints=tmp_path / "second", progress=again.append)).equals(draw(whole))
    assert again == [1.0]  # a training that ended is not run again


def test_checkpoints_in_an_encrypted_directory_are_ciphertext(tmp_path: Path) -> None:
    folder = EncryptedPath(tmp_path)
    with pytest.raises(Killed):
        fit(checkpoints=folder, progress=cut_short_after(100))
    stored = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(stored) == 2
    readable = b"/data.pkl"  # in each file of torch
    assert not any(readable in content for content in stored)
    assert all(readable in path.read_bytes() for path in folder.rglob("*.ckpt"))
    first = list[float]()
    for directory in (folder, EncryptedPath(tmp_path / "new")):
        with pytest.raises(Killed):
            fit(checkpoints=directory, progress=stop_after_the_first(first))
    assert first[0] > 30 * first[1], "it resumed"


def stop_after_the_first(told: list[float]) -> Progress:
    def progress(done: float) -> None:
        told.append(done)
        raise Killed

    return progress


def test_foreign_and_truncated_checkpoints_are_ignored(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        fit(checkpoints=tmp_path, progress=cut_short_after(50))
    told = list[float]()

    def note(done: float) -> None:
        told.append(done)
        raise Killed

    def begins_with(**fit_arguments: int) -> float:
        with pytest.raises(Killed):
            fit(checkpoints=tmp_path, progress=note, **fit_arguments)
        return told.pop()

    one_step = begins_with(seed=1)
    assert begins_with() > 30 * one_step
    for path in tmp_path.rglob("*.ckpt"):
        path.write_bytes(path.read_bytes()[:5000])
    assert begins_with() == one_step


def test_fit_leaves_no_files_and_no_output(
    tmp_path: Path, monkeypatch, capfd, caplog, recwarn
) -> None:
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO):
        fit()
    assert not list(tmp_path.iterdir())
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list

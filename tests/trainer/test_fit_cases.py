"""The pipeline on small, wide and degenerate tables: a sane model or a clear error."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulacra_crds.tasks import EstimateRequest, FitRequest, GenerateRequest, ProgressReport
from simulacra_intake.errors import InputError
from simulacra_schema.questions.knowledge import Edge, Knowledge
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.effects.estimate import estimate_effect
from simulacra_trainer.families.base import ModelFileError
from simulacra_trainer.pipeline.fit import STEPS, TrainedModel, fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.progress import ProgressMeter
from simulacra_trainer.trained_model import MODEL, load_model, save_model


def fit(raw: pa.Table, **request: object) -> TrainedModel:
    clean = clean_table(raw)
    return fit_model(clean.table, clean.schema, FitRequest(**request))


def rows(trained: TrainedModel, n: int, seed: int = 0) -> pa.Table:
    return pa.concat_tables(
        generate_rows(trained, plan_generation(trained, GenerateRequest(row_count=n, seed=seed)))
    )


def test_fifty_rows_give_a_model_of_little_detail() -> None:
    rng = np.random.default_rng(0)
    raw = pa.table(
        {"a": rng.normal(0, 1, 50), "b": rng.choice(["x", "y"], 50), "c": rng.integers(0, 5, 50)}
    )
    trained = fit(raw)
    table = rows(trained, 200)
    assert table.num_rows == 200
    assert set(table.column("b").to_pylist()) == {"x", "y"}
    known = set(np.round(raw.column("a").to_pylist(), 12))
    copied = np.mean([round(v, 12) in known for v in table.column("a").to_pylist()])
    assert copied < 0.1  # numbers are drawn between rows, not from them


def test_background_binds_only_on_request_and_the_answer_names_who_asked(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    female, school = rng.choice(["no", "yes"], (2, 200))
    income = rng.normal(size=200) + 2 * (female == "yes") + 2 * (school == "yes")
    raw = pa.table({"female": female, "school": school, "income": income})
    asked = fit(raw)
    assert [proposal.column for proposal in asked.graph.proposals] == ["female"]
    assert asked.graph.knowledge.confirmed == []
    stated = [{"part": "background", "author": "ada", "time": "2026-11-27T10:00:00Z"}]
    save_model(fit(raw, knowledge={"background": "auto"}, stated=stated), tmp_path / "model")
    bound = load_model(tmp_path / "model")
    assert (bound.graph.proposals, bound.graph.knowledge.confirmed) == ([], [["female"]])
    question = EstimateRequest(treatment="school", value="yes", baseline="no", outcome="income")
    answer = estimate_effect(bound.table, bound.schema, bound.graph, question, seed=0)
    (said,) = answer.verdict.rests_on
    assert (said.earlier, said.later) == (["female"], ["school"])
    assert (said.origin, said.author, said.author_kind) == ("proposed", "ada", "automatic")
    assert answer.dont_know == []


def test_constant_and_empty_columns_are_restored_but_not_learned() -> None:
    rng = np.random.default_rng(1)
    raw = pa.table(
        {
            "same": pa.array(["always"] * 300),
            "empty": pa.array([None] * 300, pa.string()),
            "a": rng.integers(0, 9, 300),
            "b": rng.choice(["x", "y", "z"], 300),
        }
    )
    table = rows(fit(raw), 100)
    assert table.column_names == [*raw.column_names, "evidence_weight"]
    assert set(table.column("same").to_pylist()) == {"always"}
    assert table.column("empty").null_count == 100


def test_a_table_without_variation_is_refused_as_too_small() -> None:
    raw = pa.table(
        {
            "a": pa.array(["x"] * 100),
            "b": pa.array([None] * 100, pa.string()),
            "c": pa.array([1] * 100),
        }
    )
    with pytest.raises(InputError) as caught:
        fit(raw)
    assert caught.value.reason == "TableTooSmall"


def test_twenty_thousand_levels_are_never_copied() -> None:
    rng = np.random.default_rng(2)
    code = np.array([f"code {i % 20_000:05d}" for i in range(40_000)])
    raw = pa.table(
        {
            "code": code,
            "kind": rng.choice(["x", "y"], 40_000),
            "size": np.round(rng.normal(9, 3, 40_000), 1),
        }
    )
    trained = fit(raw)
    table = rows(trained, 5000)
    column = trained.schema.find("code")
    assert column is not None
    if column.learned:
        pairs = set(zip(*(raw.column(c).to_pylist() for c in raw.column_names), strict=True))
        copied = np.mean(
            [
                row in pairs
                for row in zip(
                    *(table.column(c).to_pylist() for c in raw.column_names), strict=True
                )
            ]
        )
        assert copied < 0.02
        assert set(table.column("code").to_pylist()) <= set(code)
    assert table.column("size").null_count == 0


def test_a_learned_column_keeps_all_levels_of_five_persons() -> None:
    rng = np.random.default_rng(3)
    weights = 1 / np.arange(1, 601)
    town = rng.choice(600, 12_000, p=weights / weights.sum())
    raw = pa.table(
        {"town": pa.array([f"town {t}" for t in town]), "coast": np.where(town % 2, "yes", "no")}
    )
    trained = fit(raw)
    assert trained.schema.find("town").learned  # type: ignore[union-attr]
    table = rows(trained, 40_000)
    drawn = table.column("town").to_pylist()
    real = {f"town {t}" for t in np.flatnonzero(np.bincount(town) >= 5)}
    assert set(drawn) <= {*real, "(other)"}
    assert len(set(drawn)) > 0.97 * len(real)
    lawful = [
        (int(t.split()[1]) % 2 == 1) == (c == "yes")
        for t, c in zip(drawn, table.column("coast").to_pylist(), strict=True)
        if t != "(other)"
    ]
    assert np.mean(lawful) == 1.0  # the town decides the coast


@pytest.mark.slow
def test_more_columns_than_rows_are_learned() -> None:
    rng = np.random.default_rng(4)
    factor = rng.normal(0, 1, (54, 6))
    columns: dict[str, object] = {}
    for j in range(60):
        score = factor @ rng.normal(0, 1, 6) + rng.normal(0, 1.5, 54)
        columns[f"n{j}"] = (
            np.round(score, 2) if j % 3 == 0 else np.digitize(score, [-2, -0.5, 0.5, 2])
        )
    raw = pa.table(columns)
    trained = fit(raw)
    table = rows(trained, 54)
    assert table.column_names == [*columns, "evidence_weight"]
    assert table.num_rows == 54
    assert trained.figures["exact_copies"] == 0
    assert (
        trained.figures["univariate_error_percent"]
        < 2 * trained.figures["univariate_floor_percent"]
    )


def test_contradictory_knowledge_is_an_input_error() -> None:
    rng = np.random.default_rng(5)
    raw = pa.table({"a": rng.integers(0, 9, 200), "b": rng.choice(["x", "y", "z"], 200)})
    knowledge = Knowledge(tiers=[["a"], ["b"]], required=[Edge(source="b", target="a")])
    with pytest.raises(InputError) as caught:
        fit(raw, knowledge=knowledge)
    assert caught.value.reason == "RequestInvalid"


def test_knowledge_decides_the_order() -> None:
    rng = np.random.default_rng(6)
    a = rng.integers(0, 9, 500)
    raw = pa.table({"a": a, "b": a + rng.integers(0, 3, 500), "c": rng.choice(["x", "y"], 500)})
    for tiers in ([["a"], ["b"]], [["b"], ["a"]]):
        order = fit(raw, knowledge=Knowledge(tiers=tiers)).model.columns
        assert order.index(tiers[0][0]) < order.index(tiers[1][0])


def test_a_loaded_model_equals_the_saved_one(trained: TrainedModel, tmp_path: Path) -> None:
    save_model(trained, tmp_path)
    loaded = load_model(tmp_path)
    assert rows(loaded, 500, seed=3).equals(rows(trained, 500, seed=3))
    assert loaded.figures == trained.figures
    assert loaded.graph == trained.graph
    assert loaded.report["timings"].keys() == {*list(STEPS)[:3]}
    assert b"<html" in (tmp_path / "report.html").read_bytes()[:200]


@pytest.mark.parametrize(
    "name", [MODEL, "schema.json", "graph.json", "train.parquet", "forest.json"]
)
def test_a_directory_with_a_broken_file_is_refused(
    trained: TrainedModel, tmp_path: Path, name: str
) -> None:
    save_model(trained, tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ModelFileError):
        load_model(tmp_path)
    path.unlink()
    with pytest.raises(ModelFileError):
        load_model(tmp_path)


def test_a_column_swapped_in_the_training_table_is_refused(
    trained: TrainedModel, tmp_path: Path
) -> None:
    save_model(trained, tmp_path)
    pq.write_table(
        pq.read_table(tmp_path / "train.parquet").drop_columns(["age"]), tmp_path / "train.parquet"
    )
    with pytest.raises(ModelFileError):
        load_model(tmp_path)


def paced(seconds: Sequence[float]) -> list[tuple[float, ProgressReport]]:
    """Return the reports of work whose hundredths take these seconds, with their times."""
    now = [0.0]
    told: list[tuple[float, ProgressReport]] = []
    meter = ProgressMeter(
        {"all": 1.0}, lambda one: told.append((now[0], one)), clock=lambda: now[0]
    )
    advance = meter.step("all")
    for hundredth, took in enumerate(seconds, 1):
        now[0] += took
        advance(hundredth / 100)
    return told


def test_the_estimate_of_steady_work_is_the_time_left() -> None:
    for at, report in paced([2.0] * 100):
        if report.percent >= 3:
            assert report.eta_seconds == pytest.approx(200 - at, abs=1)


def test_the_estimate_follows_a_pace_that_slows_down() -> None:
    """The first 88 hundredths take 88 s, the others 80 s each: 16 minutes that were "10 s"."""
    slow = {one.percent: one.eta_seconds for _, one in paced([1.0] * 88 + [80.0] * 12)}
    assert slow[88] == 12
    for percent in range(89, 100):
        assert slow[percent] == pytest.approx(80 * (100 - percent), rel=0.25)


def test_the_estimate_never_promises_less_than_the_recent_pace() -> None:
    rng = np.random.default_rng(6)
    for _ in range(20):
        told = paced(rng.gamma(0.5, 4.0, 100))
        for at, report in told[5:]:
            window = max(at / 4, 10.0)
            earlier = [one for one in told if one[0] <= at - window] or told[:1]
            since, before = earlier[-1]
            gained = report.percent - before.percent + 1  # percents are cut
            if report.percent >= 3:
                left = (99 - report.percent) * (at - since) / gained
                assert report.eta_seconds is not None
                assert report.eta_seconds >= left - 1


def test_progress_grows_once_a_second_and_ends_at_100() -> None:
    now = [0.0]
    told: list[ProgressReport] = []
    meter = ProgressMeter({"one": 1.0, "two": 3.0}, told.append, clock=lambda: now[0])
    advance = meter.step("one")
    for _ in range(10):
        now[0] += 0.25
        advance(now[0] / 2)
    later = meter.step("two")
    now[0] += 2
    later(0.5)
    later(1.0)
    later(1.0)
    percents = [report.percent for report in told]
    assert percents == sorted(percents)
    assert percents[0] == 0
    assert percents[-1] == 100
    assert percents[:3] == [0, 12, 25]  # after 0, 1 and 2 seconds
    assert len(told) == 5
    assert [report.step for report in told] == ["one", "one", "one", "two", "two"]
    assert told[3].eta_seconds == round(4.5 * (1 - 0.625) / 0.625)

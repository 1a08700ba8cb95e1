"""Single changes of pairs: measured, shrunk to what halves agree on, and told."""

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_schema.formats.file_labels import KEY
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.rules import Rule, StatedRule
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.effects.pairs import fit as change_fit
from simulacra_trainer.effects.pairs.changes import PairChanges, fit_changes
from simulacra_trainer.effects.pairs.fit import ChangeFit
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.pipeline.generation_report import report_generation
from simulacra_trainer.report import render_html
from simulacra_trainer.trained_model import TrainedModel

ROWS = 1200


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    """t moves y by 2 + 1.5a and s by 1 + a, `same` by 1.5 for everybody, and the choice g."""
    rng = np.random.default_rng(3)
    a, w = rng.normal(size=(2, ROWS))
    t = a + rng.normal(size=ROWS) > 0
    same = w + 1.5 * t + rng.normal(size=ROWS)
    s = np.clip(np.round(3 + 0.4 * w + (1 + a) * t + rng.normal(size=ROWS)), 1, 5).astype(int)
    choice = np.argmax(np.c_[2.5 * t, a, 0 * a] + rng.gumbel(size=(ROWS, 3)), axis=1)
    y = w + (2 + 1.5 * a) * t + rng.normal(size=ROWS)
    y[::15] = np.nan
    g = np.array(["bus", "car", "none"])[choice]
    names = ("a", "w", "t", "y", "same", "s", "g")
    clean = clean_table(pa.table(dict(zip(names, (a, w, t, y, same, s, g), strict=True))))
    known = Knowledge(tiers=[["a", "w"], ["t"], ["y", "same", "s", "g"]])
    return fit_model(clean.table, clean.schema, FitRequest(seed=1, knowledge=known))


def ask(rows: int = 2000) -> GenerateRequest:
    do = {"t": "true"}
    return GenerateRequest(row_count=rows, interventions=do, counterfactual=True, seed=3)


def measured(of: TrainedModel) -> PairChanges | None:
    return fit_changes(of.model, of.table, of.schema, of.graph, {"t": "true"}, seed=1)


def worlds(trained: TrainedModel, shards: int = 1) -> Iterator[dict[str, np.ndarray]]:
    plan = plan_generation(trained, ask())
    parts = [t for s in range(shards) for t in generate_rows(trained, plan, s, shards)]
    table = pa.concat_tables(parts)
    for world in (0, 1):
        yield {name: np.array(table[name].to_pylist()[world::2]) for name in table.column_names}


def test_single_changes_differ_as_far_as_halves_agree(trained: TrainedModel) -> None:
    facts, twins = worlds(trained)
    told = plan_generation(trained, ask()).identification.reliability
    assert told["y"] > 0.9
    assert told["s"] > 0.6
    assert told["same"] == 0
    assert "g" not in told
    moved = ~facts["t"].astype(bool)
    change = twins["y"].astype(float) - facts["y"].astype(float)
    moved_y = moved & ~np.isnan(change)
    change, a = change[moved_y], facts["a"][moved_y]
    truth = 2 + 1.5 * a
    assert np.sqrt(np.mean((change - truth) ** 2)) < 0.4 * truth.std()
    same = (twins["same"] - facts["same"])[moved]
    assert same.std() < 0.05  # rounding and the ends of the column
    assert same.mean() == pytest.approx(1.5, abs=0.3)
    steps = (twins["s"] - facts["s"])[moved]
    high = facts["a"][moved] > np.median(facts["a"][moved])
    assert steps[high].mean() > steps[~high].mean() + 0.2
    assert set(twins["s"]) <= {1, 2, 3, 4, 5}


def test_rows_that_nothing_happens_to_and_gaps_stay(trained: TrainedModel) -> None:
    facts, twins = worlds(trained)
    had = facts["t"].astype(bool)
    for name in ("y", "same", "s"):
        assert facts[name][had].tolist() == twins[name][had].tolist()
    assert {twins["y"][i] for i in np.flatnonzero(had & (facts["y"] == None))} == {None}  # noqa: E711
    for whole, sharded in zip((facts, twins), worlds(trained, shards=3), strict=True):
        assert [one.tolist() for one in whole.values()] == [
            one.tolist() for one in sharded.values()
        ]


def test_the_reliability_is_told_with_the_file_and_its_report(trained: TrainedModel) -> None:
    plan = plan_generation(trained, ask(200))
    said = plan.identification.assumption
    assert "Reliability of differences between changes: " in said
    assert "Every pair changes by the mean, data tell no more: 'same'." in said
    assert said.endswith("Not measured, and changed by the model alone: 'g'.")
    drawn: list[pa.Table] = []
    table = next(generate_rows(trained, plan, on_first=drawn.append))
    label = json.loads(table.schema.field("world").metadata[KEY])["label"]
    assert label in said
    report = report_generation(trained, ask(200), plan, drawn[0])
    assert report["identification"]["reliability"] == plan.identification.reliability
    assert "Every pair changes by the mean" in render_html(report)


def test_a_mean_change_seldom_tells_who_is_in_the_table() -> None:
    rng = np.random.default_rng(200)
    a, noise = rng.normal(size=(2, 200))
    t, half = rng.integers(0, 2, (2, 200))
    y = 1.5 * t + 0.8 * a + noise

    def mean_without(row: int) -> float:
        kept = np.arange(200) != row
        design = np.column_stack([np.ones(199), a[kept]])
        left = (t - t.mean())[kept, None]
        halves = [np.flatnonzero(half[kept] == one) for one in (0, 1)]
        fit = ChangeFit(design, left, left * design[:, 1:], halves, None)
        mean, _, reliability = fit.slopes(np.column_stack([y, y])[kept], np.ones((199, 1)))
        assert reliability == 0
        return round(float(mean[0, 0]), 12)  # a last digit differs by the order of sums

    found = {mean_without(row) for row in range(60)}
    assert len(found) < 12
    assert 1.0 < min(found) < max(found) < 2.0


def test_steps_cost_the_move_of_a_number_little_though_its_terms_overlap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(7)
    n = 600
    t, y = rng.uniform(size=n), rng.normal(size=n)
    halves = np.array_split(np.arange(n), 2)
    knots = (0.0, 1 / 3, 2 / 3)
    terms, moved = (
        np.column_stack([np.maximum(at - k, 0) for k in knots]) for at in (t, np.ones(1))
    )
    left = terms - terms.mean(axis=0)
    fit = ChangeFit(np.ones((n, 1)), left, left[:, :0], halves, None)
    targets = np.column_stack([*rng.normal(size=(40, n)), y])
    mean, _, _ = fit.slopes(targets, np.ones((n, 1)))
    monkeypatch.setattr(change_fit, "coarse", lambda value, error: value)
    exact, _, _ = fit.slopes(targets, np.ones((n, 1)))
    error = np.sqrt((moved @ np.linalg.inv(left.T @ left) @ moved.T).item())
    off = moved @ (mean - exact) / error
    assert 0.0 < float(np.sqrt(np.mean(off**2))) < 0.05


def test_nothing_is_measured_where_nothing_may_be_claimed(trained: TrainedModel) -> None:
    unstated = {"knowledge": Knowledge(), "undecided": [("t", "y"), ("a", "t"), ("t", "same")]}
    untold = replace(trained, graph=trained.graph.model_copy(update=unstated))
    private = replace(trained, report={**trained.report, "differential_privacy": {"epsilon": 1.0}})
    few = replace(trained, table=trained.table.slice(0, 60))
    assert measured(few) is None
    for model, kind in ((untold, "open"), (private, "assumed")):
        plan = plan_generation(model, ask(20))
        assert plan.identification.verdict.kind == kind
        assert (plan.changes, plan.identification.reliability) == (None, {})
        assert "nothing says how reliable they are" in plan.identification.assumption


def test_columns_that_rules_tie_keep_the_twin_of_the_model(trained: TrainedModel) -> None:
    rule = StatedRule.model_construct(rule=Rule(compare=("y", "<=", "same")))
    tied = replace(trained, schema=trained.schema.model_copy(update={"rules": [rule]}))
    changes = measured(tied)
    assert set(changes.reliability) == {"s"}
    assert set(changes.unmeasured) == {"y", "same", "g"}


def test_persons_with_several_rows_and_weights_are_measured(trained: TrainedModel) -> None:
    rows = trained.table.num_rows
    heavy = np.where(np.arange(rows) % 2, 3.0, 1.0)
    table = trained.table.append_column("person", pa.array(np.repeat(np.arange(rows // 4), 4)))
    table = table.append_column("weight", pa.array(heavy))
    column = trained.schema.columns[0]
    person = {"name": "person", "role": "subject", "learned": False, "kind": "identifier"}
    weight = {"name": "weight", "kind": "weight", "learned": False}
    more = [column.model_copy(update=one) for one in (person, weight)]
    schema = trained.schema.model_copy(update={"columns": [*trained.schema.columns, *more]})
    told = measured(replace(trained, table=table, schema=schema))
    assert told.reliability["y"] > 0.9

"""Effects of numbers on numbers under do() are not blurred by the leaves."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.families.base import no_progress
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.families.forest.regression.smooth import fit_smooth
from simulacra_trainer.families.forest.samplers import Classes, Numbers, Response, Switch
from simulacra_trainer.families.forest.trees.tree import Tree

ROWS = 4_000


def _fit(columns: dict, penalty: float):
    clean = clean_table(pa.table(columns))
    options = {"penalty": penalty}
    return FOREST.fit(
        clean.table, clean.schema, list(columns), seed=0, options=options, progress=no_progress
    )


def _mean(model, **do: float | str) -> float:
    return float(
        np.nanmean(model.sample(50_000, np.random.default_rng(1), do=do).column("y").to_numpy())
    )


def _confounded() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    z = rng.normal(size=ROWS)
    t = z + 0.7 * rng.normal(size=ROWS)
    return {"z": z, "t": t, "y": t + 2 * z + 0.5 * rng.normal(size=ROWS)}


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("penalty", [3.0, 18.0])
def test_effect_keeps_its_size_under_do(penalty: float, missing: bool) -> None:
    columns = _confounded()
    columns["y"][:: 40 if missing else ROWS] = np.nan
    model = _fit(columns, penalty)
    assert _mean(model, t=1.0) - _mean(model, t=-1.0) == pytest.approx(2.0, abs=0.12)


def test_response_keeps_curves_interactions_jumps_and_noise() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=ROWS), rng.uniform(-1, 1, ROWS)
    y = a**2 + 2 * a * b + 3 * (b > 0.2) + 0.5 * rng.normal(size=ROWS)
    model = _fit({"a": a, "b": b, "y": y}, 12.0)
    for at in (-1.0, 0.5, 1.5):
        assert _mean(model, a=at) == pytest.approx(at**2 + 1.2, abs=0.2)
    assert _mean(model, b=0.6) - _mean(model, b=-0.2) == pytest.approx(3.0, abs=0.25)
    rows = (
        model.sample(20_000, np.random.default_rng(2), do={"a": 1.0, "b": 0.5})
        .column("y")
        .to_numpy()
    )
    assert rows.std() == pytest.approx(0.5, abs=0.08)


def test_category_changes_a_number_under_do() -> None:
    rng = np.random.default_rng(6)
    z = rng.normal(size=ROWS)
    kind = np.where(z + rng.normal(size=ROWS) > 0, "new", "old")
    model = _fit({"z": z, "kind": kind, "y": 2 * z + (kind == "new") + rng.normal(size=ROWS)}, 12.0)
    assert _mean(model, kind="new") - _mean(model, kind="old") == pytest.approx(1.0, abs=0.15)


def test_columns_not_affected_by_do_are_unchanged() -> None:
    columns = _confounded()
    model = _fit(
        {**columns, "other": columns["z"] * 3 + np.random.default_rng(9).normal(size=ROWS)}, 3.0
    )
    model = model.first(["z", "other"])
    plain = model.sample(1_000, np.random.default_rng(1))
    assert not model._responses
    done = model.sample(1_000, np.random.default_rng(1), do={"t": 0.0})
    assert done.select(["z", "other"]).equals(plain.select(["z", "other"]))
    assert isinstance(model._responses[2], Response)


def test_columns_used_reach_through_inner_samplers() -> None:
    leaf = np.zeros(1, np.int32)
    on_0, on_1 = (
        Tree(*(np.array(part, np.int32) for part in ([k, -1, -1], [0] * 3, [1] * 3, leaf, leaf)))
        for k in (0, 1)
    )
    number = Numbers(on_1, np.zeros(1), np.zeros(1))
    classes = Classes(on_0, leaf, np.zeros(1), {0: number})
    assert classes.columns_used == {0, 1}
    assert Switch(2, np.zeros(1), (classes,)).columns_used == {0, 1, 2}


def test_effect_on_a_number_with_missing_values_reaches_rows_and_twins() -> None:
    """Whether y is missing depends on nothing, so only the number inside the class reads t."""
    rng = np.random.default_rng(11)
    t, missing = rng.normal(size=ROWS), rng.random(ROWS) < 0.1
    model = _fit({"t": t, "y": np.where(missing, np.nan, 2 * t + rng.normal(size=ROWS))}, 12.0)
    assert isinstance(model.samplers[1], Classes)
    assert _mean(model, t=1.0) - _mean(model, t=-1.0) == pytest.approx(4.0, abs=0.15)
    rows = model.sample(2_000, np.random.default_rng(2))
    twins = model.counterfactual(rows, {"t": 2.0}, np.random.default_rng(3))
    moved = pc.subtract(twins.column("y"), rows.column("y"))
    expected = 2 * (2.0 - rows.column("t").to_numpy())
    assert np.nanmean(np.abs(moved.to_numpy() - expected)) < 0.3


def test_column_without_predictors_keeps_its_sampler() -> None:
    rng = np.random.default_rng(0)
    model = _fit({"a": rng.normal(size=ROWS), "b": rng.normal(size=ROWS)}, 18.0)
    assert not model.samplers[1].columns_used
    model.sample(10, rng, do={"a": 1.0})
    assert not model._responses


def test_regression_drops_terms_that_explain_nothing() -> None:
    rng = np.random.default_rng(7)
    x, noise = rng.normal(size=(2, ROWS))
    smooth = fit_smooth([x, noise], [0, 0], np.sin(x) + 0.3 * rng.normal(size=ROWS))
    assert [getattr(term, "column", None) for term in smooth.terms] == [0]
    grid = np.linspace(-2, 2, 41)
    assert np.abs(smooth.at([grid, grid]) - np.sin(grid)).max() < 0.08


def test_smooth_curves_and_interactions_are_fit_closely() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=(2, 3_000))
    at = np.linspace(-2, 2, 41)
    square = fit_smooth([a], [0], 2 * a**2 + rng.normal(size=3_000)).at([at])
    assert (
        np.sqrt(np.mean((square - 2 * at**2) ** 2)) < 0.055
    )  # 0.067 with knots at quantiles alone
    saddle = fit_smooth([a, b], [0, 0], 4 / (1 + np.exp(-a - b)) + 0.5 * rng.normal(size=3_000))
    inside = np.hypot(a, b) < 2
    truth = (4 / (1 + np.exp(-a - b)))[inside]
    assert np.sqrt(np.mean((saddle.at([a, b])[inside] - truth) ** 2)) < 0.04  # 0.046 without waves
    assert np.isfinite(saddle.at([np.array([np.nan, 9.0]), np.array([0.0, -9.0])])).all()


def test_residual_noise_is_shared_across_leaves() -> None:
    """y is a square of x with the same noise everywhere: a leaf of 5,000 / 40 rows would know its
    spread to 6 %.
    """
    rng = np.random.default_rng(9)
    x = rng.normal(size=5_000)
    model = _fit({"x": x, "y": 2 * x**2 + rng.normal(size=5_000)}, 12.0)
    part = model._under_do(1)
    assert isinstance(part, Response)
    assert np.sum(part.tree.feature < 0) <= 2
    for value in (-0.7, 0.0, 0.7):
        drawn = (
            model.sample(50_000, np.random.default_rng(1), do={"x": value}).column("y").to_numpy()
        )
        assert drawn.std() == pytest.approx(1.0, abs=0.04)
        assert drawn.mean() == pytest.approx(2 * value**2, abs=0.1)


def test_split_found_by_chance_does_not_move_the_mean() -> None:
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=(2, 1_500))
    model = _fit({"x": x, "y": x + y}, 2.0)
    drawn = [
        model.sample(20_000, np.random.default_rng(1), do={"x": v}).column("y").to_numpy().mean()
        for v in (-0.5, 0.5)
    ]
    assert drawn[1] - drawn[0] == pytest.approx(1.0, abs=0.1)

"""The regressions behind the effects: what they follow, and that they stop."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from simulacra_intake.arrow_values import codes_of
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.effects.models.base_choice import CHOICES, Bases, Choice, Trial
from simulacra_trainer.effects.models.features import (
    BINS,
    Features,
    TreeRows,
    build_features,
    levels_of,
)
from simulacra_trainer.effects.models.nuisance import MORE_TREES, fit_nuisance


def _features(**columns: pa.Array) -> Features:
    table = pa.table(columns)
    kinds = ["categorical" if pa.types.is_dictionary(f.type) else "numeric" for f in table.schema]
    schema = TableSchema(
        rows=table.num_rows,
        columns=[
            ColumnSchema(name=n, kind=k, storage="x")
            for n, k in zip(table.column_names, kinds, strict=True)
        ],
    )
    return build_features(table, schema, table.column_names)


def test_linear_truth_is_fit_as_well_as_by_least_squares() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 2))
    y = 5 + 2 * x[:, 0] - x[:, 1] + rng.normal(size=3000)
    features = _features(a=x[:, 0], b=x[:, 1])
    model = fit_nuisance(features.rows(np.arange(1000)), y[:1000], rng)
    error = model.predict(features)[1000:] - (5 + 2 * x[1000:, 0] - x[1000:, 1])
    assert np.sqrt((error**2).mean()) < 0.25


def test_trees_fit_an_interaction_that_the_additive_part_misses() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(6000, 2))
    truth = 2.0 * np.sign(x[:, 0]) * np.sign(x[:, 1])
    features = _features(a=x[:, 0], b=x[:, 1])
    model = fit_nuisance(
        features.rows(np.arange(4000)), (truth + rng.normal(size=6000))[:4000], rng
    )
    error = model.predict(features)[4000:] - truth[4000:]
    assert np.sqrt((error**2).mean()) < 0.7  # additive: 2.0


def test_probabilities_are_calibrated_and_within_0_and_1() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=4000)
    p = 1 / (1 + np.exp(-2 * x))
    model = fit_nuisance(_features(a=x), (rng.random(4000) < p).astype(float), rng)
    predicted = model.predict(_features(a=x))
    assert model.logistic
    assert predicted.min() > 0
    assert predicted.max() < 1
    assert np.sqrt(((predicted - p) ** 2).mean()) < 0.05


def test_noise_and_a_constant_target_grow_few_trees() -> None:
    rng = np.random.default_rng(3)
    features = _features(a=rng.normal(size=1000))
    noise = fit_nuisance(features, rng.normal(size=1000), rng).predict(features)
    assert noise.std() < 0.3
    assert fit_nuisance(features, np.full(1000, 7.0), rng).predict(features) == pytest.approx(
        np.full(1000, 7.0)
    )


def test_scale_of_the_target_does_not_matter() -> None:
    x = np.random.default_rng(4).normal(size=2000)
    y = np.sin(3 * x) + 0.1 * x
    features = _features(a=x)
    small = fit_nuisance(features, y, np.random.default_rng(5)).predict(features)
    large = fit_nuisance(features, 1e9 * y + 1e10, np.random.default_rng(5)).predict(features)
    assert (large - 1e10) / 1e9 == pytest.approx(small, abs=1e-4)


def test_without_columns_the_prediction_is_the_mean() -> None:
    features = _features(a=np.zeros(500))
    bins = np.empty((0, 500), np.uint8)
    trees = TreeRows(bins, np.empty(0, np.bool_))
    empty = Features(*[np.empty((500, 0))] * 3, bins, trees, np.arange(500))
    y = np.arange(500.0)
    for x in (features, empty):
        assert fit_nuisance(x, y, np.random.default_rng(0)).predict(x) == pytest.approx(
            np.full(500, y.mean()), abs=1.0
        )


def test_same_rows_and_seed_give_the_same_predictions() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(3000, 2))
    y = np.sign(x[:, 0]) * np.sign(x[:, 1]) + rng.normal(size=3000)
    features = _features(a=x[:, 0], b=x[:, 1])
    first, again = (
        fit_nuisance(features, y, np.random.default_rng(7)).predict(features) for _ in range(2)
    )
    assert np.array_equal(first, again)


def test_trees_follow_levels_in_any_order() -> None:
    rng = np.random.default_rng(8)
    level = rng.integers(0, 40, 6000)
    truth = 2.0 * (level % 2)
    features = _features(a=pa.array([f"l{i}" for i in level]).dictionary_encode())
    model = fit_nuisance(
        features.rows(np.arange(4000)), (truth + rng.normal(size=6000))[:4000], rng
    )
    error = model.predict(features)[4000:] - truth[4000:]
    assert np.sqrt((error**2).mean()) < 0.3


def test_features_represent_missing_values_and_many_levels() -> None:
    values = pa.array([1.0, None, 3.0, 4.0] * 5)
    levels = pa.array([f"l{i % 100}" for i in range(19)] + [None]).dictionary_encode()
    features = _features(a=values, b=levels)
    assert features.bins[0][1] == 0
    assert features.bins[1][19] == 0
    assert features.bins.max() < BINS
    assert np.isfinite(features.linear).all()
    many = _features(b=pa.array([f"l{i}" for i in range(300)]).dictionary_encode())
    assert many.bins.max() == BINS - 1
    assert many.linear.shape[1] == 12


def test_products_of_many_categories_are_not_built_first() -> None:
    level = pa.array(np.arange(1_000) % 5).cast(pa.string()).dictionary_encode()
    columns = {f"c{k}": level for k in range(30)}
    tracemalloc.start()
    try:
        assert _features(**columns).products.shape == (1_000, 0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10e6


def test_levels_of_chunks_with_different_dictionaries_agree() -> None:
    chunks = [
        pa.array(["a", "b"]).dictionary_encode(),
        pa.array(["b", None, "c"]).dictionary_encode(),
    ]
    table = pa.table({"x": pa.chunked_array(chunks)})
    levels, positions = levels_of(table, "x"), codes_of(table.column("x"))
    assert [levels[i] if i >= 0 else None for i in positions] == ["a", "b", "b", None, "c"]


def test_fits_of_one_target_share_the_base_and_other_targets_do_not() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2000, 2))
    features = _features(a=x[:, 0], b=x[:, 1])
    line = x[:, 0] + rng.normal(0, 0.1, 2000)
    step = 2.0 * np.sign(x[:, 0]) * np.sign(x[:, 1]) + rng.normal(0, 0.1, 2000)
    bases: Bases = {}
    for _ in range(CHOICES):
        last = fit_nuisance(features, line, rng, bases, "line")
    assert fit_nuisance(features, step, rng, bases, "line").base == last.base
    assert fit_nuisance(features, step, rng, bases, "step").base != last.base


def _trials(*means: float, rows: int, spread: float = 0.1) -> dict[int, Trial]:
    """Return trials whose losses have these means, each with as many trees as its base."""
    noise = np.random.default_rng(0).normal(0, spread, (len(means), rows))
    return {base: Trial(mean + noise[base], base) for base, mean in enumerate(means)}


def test_the_base_of_the_least_loss_over_all_fits_counts() -> None:
    choice = Choice([_trials(1.0, 0.2, rows=20)])
    assert choice.best() == (1, 1)
    choice.fits.append(_trials(1.0, 9.0, rows=20))
    assert choice.best() == (0, 0)
    # A mean over fits, not rows, would choose the other base.
    choice.fits.append(_trials(1.0, 0.1, rows=400))
    assert choice.best() == (1, 1)


def test_a_base_that_surely_loses_is_tried_no_more() -> None:
    possible = [0, 1, 2]
    few = Choice([_trials(1.0, 2.0, 1.01, rows=50)])
    assert few.left(possible) == possible
    many = Choice([*few.fits, _trials(1.0, 2.0, 1.01, rows=50)])
    assert many.left(possible) == [0, 2]
    many.fits.append(_trials(1.0, 0.0, 0.5, rows=50))
    del many.fits[-1][1]
    assert many.best()[0] == 2


def test_later_fits_of_a_target_take_the_median_number_of_trees() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(800, 2))
    features = _features(a=x[:, 0], b=x[:, 1])
    y = np.sign(x[:, 0] * x[:, 1]) + rng.normal(size=800)
    bases: Bases = {}
    for _ in range(CHOICES):
        fit_nuisance(features, y, rng, bases, "y")
    base, chosen = bases["y"].best()
    assert chosen == round(np.median([fit[base].trees for fit in bases["y"].fits]))
    later = fit_nuisance(features, y, rng, bases, "y").trees
    assert later is not None
    assert len(bases["y"].fits) == CHOICES
    assert later.current_iteration() == round(MORE_TREES * chosen)


def test_trees_of_some_rows_are_those_of_a_table_of_these_rows() -> None:
    rng = np.random.default_rng(6)
    x = rng.integers(0, 9, (1200, 2)).astype(np.float64)
    y = np.where(x[:, 0] > 4, x[:, 1], 0.0) + rng.normal(size=1200)
    whole, some = _features(a=x[:, 0], b=x[:, 1]), np.flatnonzero(np.arange(1200) % 3)
    seeds = [np.random.default_rng(0) for _ in range(2)]
    of_part = fit_nuisance(whole.rows(some), y[some], seeds[0])
    alone = replace(whole.rows(some), trees=TreeRows(whole.bins[:, some], whole.trees.is_level))
    of_copy = fit_nuisance(replace(alone, at=np.arange(some.size)), y[some], seeds[1])
    assert of_part.predict(whole) == pytest.approx(of_copy.predict(whole))

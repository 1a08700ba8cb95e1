"""Numbers as normal scores: what they keep of few rows, where leaves stay, and that they are sound
distributions.
"""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulacra_intake.survey_weights import row_weights
from simulacra_schema.table import TableSchema
from simulacra_trainer.families.base import ModelFileError, no_progress
from simulacra_trainer.families.codec import fit_codec
from simulacra_trainer.families.forest import FOREST, ForestModel
from simulacra_trainer.families.forest.growth import likelihood
from simulacra_trainer.families.forest.regression import additive
from simulacra_trainer.families.forest.regression.additive import functions_of
from simulacra_trainer.families.forest.regression.latent import fit_additive
from simulacra_trainer.families.forest.samplers import Context, Latent
from simulacra_trainer.families.grid import number_grid
from trainer_tables import clean, levels_column, numbers_column

FACTORS = 3


def few_rows(n: int = 300, seed: int = 0) -> tuple[pa.Table, TableSchema]:
    """Return eight numbers that three factors move; the last one repeats, one in ten of it is
    missing.
    """
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(n, FACTORS)) @ rng.normal(size=(FACTORS, 8)) + 0.4 * rng.normal(
        size=(n, 8)
    )
    numbers[:, 7] = np.where(rng.random(n) < 0.1, np.nan, np.round(3 * numbers[:, 7]))
    return clean(*(numbers_column(f"n{j}", numbers[:, j], 0 if j == 7 else None) for j in range(8)))


def fit(
    table: pa.Table, schema: TableSchema, penalty: float = 27.0, method: str | None = "scores"
) -> ForestModel:
    names = table.column_names
    options = {"penalty": penalty} | ({"methods": dict.fromkeys(names, method)} if method else {})
    return FOREST.fit(table, schema, names, seed=0, options=options, progress=no_progress)


def values(table: pa.Table) -> np.ndarray:
    return np.array([table.column(name).to_pylist() for name in table.column_names], float)


@pytest.fixture(scope="module")
def table_and_schema():
    return few_rows()


@pytest.fixture(scope="module")
def model(table_and_schema) -> ForestModel:
    return fit(*table_and_schema)


def test_few_rows_keep_their_correlations_at_a_high_penalty(
    model: ForestModel, table_and_schema
) -> None:
    assert all(model.samplers[j].follows_scores for j in range(3, 8))
    real, drawn = (
        values(table_and_schema[0])[:7],
        values(model.sample(6000, np.random.default_rng(1)))[:7],
    )
    apart = np.abs(np.corrcoef(real) - np.corrcoef(drawn))
    assert apart.max() < 0.2
    assert apart.mean() < 0.08


def test_repeated_and_missing_values_are_drawn_exactly(
    model: ForestModel, table_and_schema
) -> None:
    real, drawn = (
        values(table_and_schema[0])[7],
        values(model.sample(6000, np.random.default_rng(1)))[7],
    )
    known = drawn[~np.isnan(drawn)]
    assert np.array_equal(known, np.round(known))
    codec = model.data.codecs[7]
    assert codec.low <= known.min() <= known.max() <= codec.high
    assert abs(np.isnan(drawn).mean() - np.isnan(real).mean()) < 0.03
    for value, count in zip(*np.unique(real[~np.isnan(real)], return_counts=True), strict=True):
        assert abs(np.mean(known == value) - count / np.sum(~np.isnan(real))) < 0.04


def test_drawn_rows_contain_new_numbers(model: ForestModel, table_and_schema) -> None:
    real, drawn = (
        values(table_and_schema[0])[0],
        values(model.sample(6000, np.random.default_rng(1)))[0],
    )
    assert np.isin(drawn, real).mean() < 0.1


def test_number_with_a_jump_keeps_its_tree() -> None:
    rng = np.random.default_rng(2)
    kind = rng.integers(0, 4, 2000)
    price = np.array([4.99, 1.0, 7.5, 3.0])[kind] + 0.5 * rng.integers(0, 3, 2000)
    size = rng.normal(size=2000)
    table, schema = clean(
        levels_column("kind", [f"k{k}" for k in kind]),
        numbers_column("size", size),
        numbers_column("price", price, 2),
    )
    model = fit(table, schema, 3.0, method=None)
    assert not model.samplers[2].follows_scores
    drawn = model.sample(4000, np.random.default_rng(0))
    pairs = set(
        zip(drawn.column("kind").to_pylist(), drawn.column("price").to_pylist(), strict=True)
    )
    assert pairs == set(
        zip(table.column("kind").to_pylist(), table.column("price").to_pylist(), strict=True)
    )


def test_cell_probabilities_sum_to_one(model: ForestModel, table_and_schema) -> None:
    rows = np.arange(40, dtype=np.int32)
    context = Context(model.data.codes, model.data.values)
    for j in (3, 7):
        grid = number_grid(model.data.values[j])
        each = [
            model.samplers[j].probabilities(grid, context, rows, np.full(40, k))
            for k in range(grid.size)
        ]
        assert np.all(np.array(each) > 0)
        assert np.sum(each, axis=0) == pytest.approx(np.ones(40), abs=1e-6)
    assert np.isfinite(model.log_likelihood(table_and_schema[0])).all()


def test_normal_scores_make_unseen_rows_likelier_than_trees_alone() -> None:
    table, schema = few_rows(900)
    seen, unseen = table.slice(0, 300), table.slice(300)
    scored = fit(seen, schema)
    leaves = fit(seen, schema, method="trees")
    assert not any(sampler.follows_scores for sampler in leaves.samplers.values())
    assert scored.log_likelihood(unseen).mean() > leaves.log_likelihood(unseen).mean() + 1.0


def test_slope_enters_only_if_it_gains_more_than_its_price() -> None:
    rng = np.random.default_rng(3)
    numbers = rng.normal(size=(12, 400))
    target = numbers[0] + 0.25 * numbers[1] + rng.normal(size=400)
    table, schema = clean(*(numbers_column(f"n{j}", of) for j, of in enumerate(numbers)))
    codecs = [fit_codec(table.column(c.name), c) for c in schema.columns]
    codes = np.stack([codec.encode(of) for codec, of in zip(codecs, numbers, strict=True)])
    bases = [functions_of(of, codec) for of, codec in zip(codes, codecs, strict=True)]

    def columns(penalty: float) -> set[int]:
        return set(
            fit_additive(codes, bases, target, penalty, np.random.default_rng(0)).columns.tolist()
        )

    assert columns(60.0) == {0}
    assert {0, 1} == columns(15.0)
    assert columns(0.0) > {0, 1}


def test_selection_is_the_same_with_and_without_a_precomputed_gram(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their cross products are computed as they are asked for; the last one repeats the first and
    adds nothing.
    """
    rng = np.random.default_rng(5)
    X = rng.normal(size=(12, 500))
    X[11] = X[0]
    y = X[0] + 0.5 * X[3] - 0.3 * X[7] + 0.2 * rng.normal(size=500)

    def kept() -> tuple[list[int], int]:
        design = additive.design_of([X], np.arange(500)[None], 1)
        centered = y - y.mean()
        slopes = additive.fit_slopes(
            design, design.centered @ centered, float(centered @ centered), 500, 3.0
        )
        return list(np.flatnonzero(slopes)), int(design.is_known.sum())

    at_once, known = kept()
    assert (at_once, known) == ([0, 3, 7], 12)
    monkeypatch.setattr(additive, "FEW_FUNCTIONS", 4)
    assert kept() == (at_once, 3)


@pytest.mark.parametrize(("better", "folds"), [(0, 1), (1, 1), (None, 3)])
def test_clear_comparison_ends_before_the_last_fold(better: int | None, folds: int) -> None:
    rng, grown = np.random.default_rng(2), []

    def part(number: int) -> Any:
        def probabilities(
            _grid: object, _context: object, held: np.ndarray, _cells: object
        ) -> np.ndarray:
            grown.append(number)
            share = 0.3 + 0.3 * (number == better)
            return np.clip(share + rng.normal(0, 0.05, held.size), 0.01, 1)

        return SimpleNamespace(probabilities=probabilities)

    context, numbers = Context(np.zeros((1, 900), np.uint8), []), rng.normal(size=900)
    likelier = likelihood.is_likelier(
        lambda _: part(0), lambda _: part(1), context, numbers, grid=number_grid(numbers), seed=0
    )
    assert grown == [0, 1] * folds
    if better is not None:
        assert likelier is (better == 0)


def test_imputing_tied_scores_keeps_the_size_of_slopes() -> None:
    rng = np.random.default_rng(4)
    cause = rng.normal(size=4000)
    effect = cause + rng.normal(size=4000)
    table, schema = clean(numbers_column("cause", cause), numbers_column("effect", effect))
    codec = fit_codec(table.column("cause"), schema.columns[0])
    codes = codec.encode(cause)
    fits = [
        fit_additive(codes[None], [functions_of(codes, codec)], y, 3.0, np.random.default_rng(0))
        for y in (effect, np.where(effect > 0.5, 1.0, 0.0))
    ]
    spread = [fit.expected.std() for fit in fits]
    assert spread[0] == pytest.approx(np.sqrt(0.5), abs=0.03)
    assert spread[1] == pytest.approx(spread[0], abs=0.05)
    assert np.all(np.isfinite(fits[1].scores))
    assert fits[1].scores.std() == pytest.approx(1.0, abs=0.05)


def test_under_do_a_regression_of_values_replaces_normal_scores(
    model: ForestModel,
) -> None:
    j = next(j for j in range(3, 7) if isinstance(model.samplers[j], Latent))
    cause = next(iter(model.samplers[j].columns_used))
    at = np.nanquantile(model.data.values[cause], [0.25, 0.75])
    means = [
        values(model.sample(20_000, np.random.default_rng(0), do={f"n{cause}": float(x)}))[j].mean()
        for x in at
    ]
    order = [k for k in range(j) if k != cause]
    # truth: a regression on all columns before it, since nothing else moves with the cause that
    # comes later than it
    X = np.column_stack(
        [
            np.ones(300),
            model.data.values[cause],
            *(model.data.values[k] for k in order if k < cause),
        ]
    )
    slope = np.linalg.lstsq(X, model.data.values[j], rcond=None)[0][1]
    assert means[1] - means[0] == pytest.approx(slope * (at[1] - at[0]), abs=0.35)


def test_saved_model_loads_and_a_damaged_one_is_rejected(
    model: ForestModel, table_and_schema, tmp_path: Path
) -> None:
    model.save(tmp_path)
    again = FOREST.load(tmp_path, *table_and_schema)
    for n, do in ((500, None), (200, {"n2": 0.5})):
        drawn = [m.sample(n, np.random.default_rng(0), do=do) for m in (model, again)]
        assert drawn[0].equals(drawn[1])
    path = tmp_path / "forest.json"
    outline = json.loads(path.read_text())
    place, node = next(
        (j, part) for j, part in outline["parts"].items() if part["kind"] == "latent"
    )
    for damage in (
        {"columns": [*node["columns"], 0]},
        {"columns": [99] * len(node["columns"])},
        {"residual": node["margin"]},
        {"margin": node["residual"]},
    ):
        path.write_text(
            json.dumps({**outline, "parts": {**outline["parts"], place: {**node, **damage}}})
        )
        with pytest.raises(ModelFileError):
            FOREST.load(tmp_path, *table_and_schema)


def test_weighted_rows_use_trees_instead_of_normal_scores(table_and_schema) -> None:
    table, schema = table_and_schema
    weights, of = numbers_column("w", np.linspace(1, 3, table.num_rows))
    table = table.append_column("w", weights)
    of = of.model_copy(update={"kind": "weight", "learned": False})
    schema = schema.model_copy(update={"columns": [*schema.columns, of]})
    assert row_weights(table, schema) is not None
    model = FOREST.fit(
        table, schema, [f"n{j}" for j in range(8)], seed=0, options={}, progress=no_progress
    )
    assert not any(sampler.follows_scores for sampler in model.samplers.values())


def test_noise_of_a_partly_missing_score_reproduces_its_row(table_and_schema) -> None:
    model = fit(*table_and_schema)
    facts = model.sample(800, np.random.default_rng(1))
    codecs = model.data.codecs
    drawn = [codec.values(facts.column(codec.name)) for codec in codecs]
    context = Context(np.stack([c.encode(v) for c, v in zip(codecs, drawn, strict=True)]), drawn)
    rows = np.arange(facts.num_rows, dtype=np.int32)
    sampler = model.samplers[7]
    assert sampler.follows_scores
    assert np.isnan(drawn[7]).any()
    u = sampler.abduct(context, rows, drawn[7], np.random.default_rng(2).random(rows.size))
    again = codecs[7].tidy(sampler.draw(context, rows, u))
    assert np.array_equal(np.isnan(again), np.isnan(drawn[7]))
    # Where no residual of the tree leads to the value, the nearest one is drawn.
    assert np.isclose(again, drawn[7], atol=1e-9, equal_nan=True).mean() > 0.99

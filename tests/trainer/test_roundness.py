"""Drawn numbers are as round as real ones: one odd cell does not give all others its decimals."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import FitRequest
from simulacra_schema.conditions import NumericRange
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.families.codec import ColumnCodec, fit_codec
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.pipeline.conditioned_pool import values_inside
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.relations.compute import without_computed

ROWS = 2_000
STEPS = (0.01, 1, 10, 100, 1_000, 5_000)


def incomes(rows: int = ROWS, seed: int = 0) -> np.ndarray:
    """Return incomes: most in thousands, some in hundreds, some exact, few to the cent."""
    rng = np.random.default_rng(seed)
    exact = np.exp(rng.normal(11.5, 0.9, rows))
    grid = rng.choice([1_000, 5_000, 100, 1, 0.01], rows, p=[0.5, 0.2, 0.195, 0.1, 0.005])
    return np.round(np.round(exact / grid) * grid, 2)


def shares(values: np.ndarray) -> np.ndarray:
    """Return which share of the values are multiples of each step, float64 [steps]."""
    return np.array([np.isclose(values / s, np.round(values / s), atol=1e-6).mean() for s in STEPS])


def codec_of(values: np.ndarray) -> ColumnCodec:
    clean = clean_table(pa.table({"x": values, "y": np.arange(values.size) % 7}))
    column = clean.schema.find("x")
    assert column is not None
    return fit_codec(clean.table.column("x"), column)


def test_generated_incomes_are_as_round_as_real_ones() -> None:
    real = incomes()
    rng = np.random.default_rng(1)
    table = pa.table({"income": real, "spent": np.round(real * rng.uniform(0.2, 0.9, ROWS))})
    clean = clean_table(table)
    learned = without_computed(clean.schema)
    model = FOREST.fit(
        clean.table, learned, ["income", "spent"], seed=0, options={}, progress=lambda _: None
    )
    rows = model.sample(10_000, np.random.default_rng(1))
    drawn = rows.column("income").to_numpy()
    assert np.abs(shares(drawn) - shares(real)).max() < 0.05
    assert np.mean(drawn % 1 != 0) < 0.02
    (codec,) = (one for one in model.data.codecs if one.name == "income")
    assert codec.low <= drawn.min() <= drawn.max() <= codec.high


def test_numbers_without_round_ones_are_only_rounded_to_their_decimals() -> None:
    rng = np.random.default_rng(2)
    assert codec_of(np.round(rng.normal(50, 9, ROWS), 3)).roundness is None
    assert codec_of(rng.normal(50, 9, ROWS)).roundness is None
    assert codec_of(rng.integers(0, 10**6, ROWS).astype(float)).roundness is None


def test_heaps_stay_and_ranges_hold() -> None:
    real = incomes()
    codec = codec_of(real)
    assert codec.roundness is not None
    assert (codec.tidy(codec.roundness.heaps) == codec.roundness.heaps).all()
    assert np.isin(real, codec.roundness.heaps).mean() > 0.3
    some = np.random.default_rng(3).uniform(40_200, 40_800, 500)
    inside = codec.tidy(some, 40_200, 40_800)
    assert ((inside >= 40_200) & (inside <= 40_800)).all()
    assert np.mean(inside % 100 == 0) > 0.1


def test_values_of_a_range_condition_are_as_round() -> None:
    real = incomes(600)
    clean = clean_table(pa.table({"income": real, "kind": np.arange(600) % 3}))
    trained = fit_model(clean.table, clean.schema, FitRequest(family="forest"))
    bounds = NumericRange(min=60_000, max=140_000)
    drawn = values_inside(trained, "income", bounds).draw(4_000, np.random.default_rng(1))
    known = real[(real >= 60_000) & (real <= 140_000)]
    assert np.abs(shares(drawn) - shares(known)).max() < 0.1


def test_a_number_among_heaps_keeps_its_decimals() -> None:
    """Where all near thousands are heaps, a number that is none of them is still whole."""
    rng = np.random.default_rng(5)
    values = 1_000.0 * np.round(np.exp(3 + rng.normal(0, 0.4, 320)))
    values = np.where(rng.random(320) < 0.12, values + rng.integers(1, 999, 320), values)
    values[:3] += 0.37
    codec = codec_of(values)
    assert codec.curve is not None
    drawn = codec.curve.draw_inside(-np.inf, np.inf, rng.random(4_000))
    assert drawn is not None
    assert np.mean(codec.tidy(drawn) % 1 != 0) < 0.025

"""Numbers as a curve of ranks: its moments are the data's, and no person's number comes back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pyarrow as pa
import pytest

from simulacra_schema.conditions import NumericRange
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.families.base import no_progress
from simulacra_trainer.families.codec import fit_codec
from simulacra_trainer.families.comb import comb_of
from simulacra_trainer.families.curve import Curve, place_rows
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.pipeline.conditioned_pool import values_inside
from simulacra_trainer.report.attackers.membership import PersonRows, membership
from simulacra_trainer.trained_model import TrainedModel
from trainer_tables import clean, levels_column, numbers_column, survey

DRAWS = 100_000


def near_fives(rng: np.random.Generator, persons: int) -> np.ndarray:
    """Return prices, about 30 near each multiple of five and hardly any between them."""
    return np.round(5.0 * rng.integers(4, 24, persons) + rng.normal(0, 0.6, persons), 2)


def columns() -> dict[str, tuple[np.ndarray, float]]:
    rng = np.random.default_rng(0)
    incomes = np.round(np.exp(rng.normal(10, 0.6, 2_000)))
    return {
        "normal": (np.round(rng.normal(60, 12, 600), 1), 0.1),
        "long tail": (np.round(np.exp(rng.normal(4, 0.5, 600)), 1), 0.1),
        "any decimals": (rng.exponential(1, 3_000), 0.0),
        "below zero": (-rng.exponential(5, 500), 0.0),
        "ages": (rng.integers(18, 80, 500).astype(float), 1.0),
        "counts": (rng.negative_binomial(1, 0.1, 1_500).astype(float), 1.0),
        "half round": (np.where(rng.random(2_000) < 0.5, np.round(incomes, -3), incomes), 1.0),
        "apart": (np.concatenate([rng.normal(0, 1, 300), rng.normal(500, 80, 300)]), 0.0),
        "near fives": (near_fives(rng, 600), 0.01),
        "one in millions": (np.append(rng.normal(5, 1, 300), 5e6), 0.0),
    }


TAILS = {
    "even": lambda rng: rng.random(400),
    "falling": lambda rng: 1.0 - np.sqrt(rng.random(400)),
    "exponential": lambda rng: rng.exponential(size=400),
    "rising": lambda rng: np.sqrt(rng.random(400)),
}


def drawn(curve: Curve, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    values = curve.draw_inside(low, high, np.random.default_rng(1).random(DRAWS))
    assert values is not None
    return values


@pytest.mark.parametrize("name", columns())
def test_curve_and_its_donors_have_the_moments_of_the_data(name: str) -> None:
    values, step = columns()[name]
    placed = place_rows(values, step)
    low, high = placed.curve.ends
    assert (np.diff(placed.curve.at(np.linspace(0, 1, 5_000))) >= 0).all()
    rng = np.random.default_rng(2)
    order = np.argsort(values, kind="stable")
    rows, u = rng.integers(0, values.size, DRAWS), rng.random(DRAWS)
    begin, end = placed.margin(order)
    assert (np.diff(begin) >= 0).all()
    assert (np.diff(end) >= 0).all()
    assert (begin <= end).all()
    made = {
        "conditions": drawn(placed.curve),
        "leaves": placed.low[rows] + u * (placed.high - placed.low)[rows],
        "scores": begin[rows] + u * (end - begin)[rows],
    }
    for door, some in made.items():
        assert low <= some.min()
        assert some.max() <= high, door
        if name != "one in millions":
            assert some.mean() == pytest.approx(values.mean(), abs=0.02 * values.std()), door
            assert some.std() == pytest.approx(values.std(), rel=0.03), door
    assert (values.min() < 0) or low >= 0
    assert (values.max() > 0) or high <= 0


@pytest.mark.parametrize("persons", [400, 3_000])
def test_crowds_near_round_numbers_stay(persons: int) -> None:
    values = near_fives(np.random.default_rng(3), persons)
    placed = place_rows(values, 0.01)
    rows = np.random.default_rng(4).integers(0, persons, DRAWS)
    between = np.random.default_rng(5).random(DRAWS)
    donors = placed.low[rows] + between * (placed.high - placed.low)[rows]
    for some in (drawn(placed.curve), donors):
        distance = np.abs(some - 5.0 * np.round(some / 5.0))
        assert (distance > 1.5).mean() < 0.15  # .013 of the values, .40 without crowds


@pytest.mark.parametrize("name", [name for name in columns() if name != "near fives"])
def test_other_numbers_have_no_comb(name: str) -> None:
    values, step = columns()[name]
    placed = place_rows(values, step)
    of = placed.ascending
    if of.size:
        assert comb_of(of, placed.curve.at, 1.0, step) is None


def test_one_person_is_no_bound() -> None:
    values, step = columns()["one in millions"]
    placed = place_rows(values, step)
    assert 5 < placed.curve.ends[1] < 50
    column, schema = numbers_column("x", values, 6)
    codec = fit_codec(pa.chunked_array([column]), schema)
    assert codec.high < 50
    assert codec.tidy(np.array([5e6]))[0] == codec.high


def test_heaps_stand_out_from_the_density() -> None:
    values, step = columns()["half round"]
    heaps = place_rows(values, step).curve.heaps
    assert heaps.size > 20
    assert (heaps % 1_000 == 0).all()
    rng = np.random.default_rng(3)
    even = np.round(rng.uniform(0, 10, 1_000), 2)  # some of its 1,000 values have five persons
    assert np.unique(even, return_counts=True)[1].max() >= 5
    assert place_rows(even, 0.01).curve.heaps.size < 3
    zeros = np.where(rng.random(800) < 0.3, 0.0, np.round(rng.exponential(20, 800)) + 1)
    curve = place_rows(zeros, 1.0).curve
    assert np.mean(np.round(drawn(curve)) == 0) == pytest.approx(np.mean(zeros == 0), abs=0.02)


def test_few_values_get_no_new_ones_and_none_of_one_person() -> None:
    prices = np.random.default_rng(4).choice([1.69, 1.75, 1.86, 2.09], 400)
    prices = np.append(prices, [1.99, 2.49])
    placed = place_rows(prices, 0.01)
    assert not placed.curve.ranks.size
    assert set(np.unique(drawn(placed.curve))) == {1.69, 1.75, 1.86, 2.09}
    assert set(np.unique(placed.low)) == set(np.unique(placed.high)) == {1.69, 1.75, 1.86, 2.09}


def test_rows_of_one_person_are_one() -> None:
    rng = np.random.default_rng(5)
    persons = np.repeat(np.arange(150), 20)
    values = np.round(rng.normal(50, 9, 150), 2)[persons]
    assert not place_rows(values, 0.01, persons).curve.heaps.size
    knots = place_rows(values, 0.01, persons).curve.ranks.size
    assert knots == place_rows(values[::20], 0.01).curve.ranks.size
    alone = place_rows(rng.normal(50, 9, 3_000), 0.0, np.arange(3_000)).curve
    assert inner(place_rows(rng.normal(50, 9, 3_000), 0.0, persons).curve) < inner(alone) / 4


def inner(curve: Curve) -> int:
    """Return the knots between the tails, which have eight each."""
    return curve.ranks.size - 16


def test_knots_grow_with_the_root_of_the_persons() -> None:
    rng = np.random.default_rng(8)
    few, more, many = (place_rows(rng.normal(0, 1, n), 0.0).curve for n in (100, 1_600, 6_400))
    assert (inner(few), inner(more), inner(many)) == (1, 16, 33)


def test_survey_weights_count_in_conditions_and_widen_the_knots() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(0, 1, 2_000)
    weights = np.where(values > 0, 3.0, 1.0) * rng.exponential(1, 2_000)
    curve = place_rows(values, 0.0, None, weights).curve
    assert np.mean(drawn(curve) > 0) == pytest.approx(0.75, abs=0.04)
    assert inner(curve) < 0.8 * inner(place_rows(values, 0.0).curve)


def test_ages_in_twelfths_stay_on_their_grid() -> None:
    rng = np.random.default_rng(7)
    ages = np.round(rng.integers(216, 900, 700) / 12, 5)
    column, schema = numbers_column("age", ages, 5)
    codec = fit_codec(pa.chunked_array([column]), schema)
    assert codec.curve is not None
    assert codec.curve.heaps.size < 3
    some = codec.tidy(drawn(codec.curve))
    assert np.abs(some * 12 - np.round(some * 12)).max() < 1e-3


def people(rows: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1, (rows, 6)) + rng.normal(0, 1, (rows, 1))
    return clean(
        *(numbers_column(f"m{j}", np.round(np.exp(4 + 0.5 * z[:, j]), 1), 1) for j in range(6)),
        levels_column("sex", list(rng.choice(["f", "m"], rows))),
    )[0]


def test_rows_do_not_tell_who_was_in_the_table() -> None:
    seen, other = people(400, 1), people(400, 2)
    schema = clean(
        *(numbers_column(f"m{j}", seen.column(f"m{j}").to_numpy(), 1) for j in range(6)),
        levels_column("sex", seen.column("sex").to_pylist()),
    )[1]
    order = seen.column_names
    model = FOREST.fit(seen, schema, order, seed=0, options={}, progress=no_progress)
    rows = model.sample(4_000, np.random.default_rng(0))
    found = membership(PersonRows(seen), PersonRows(other), rows, schema.columns)
    assert max(one.gain.value for one in found.values()) < 0.09  # at chance: error .02, four widths

    trained = cast(TrainedModel, SimpleNamespace(table=seen, schema=schema, model=model))
    ratios = []
    for middle in (40.0, 50.0, 60.0, 70.0):
        inside = values_inside(trained, "m0", NumericRange(min=middle - 3, max=middle + 3))
        made = inside.draw(4_000, np.random.default_rng(1))
        cells = np.round(np.arange(middle - 3, middle + 3.01, 0.1), 1)
        counts = np.array([np.isclose(made, cell).sum() for cell in cells])
        own = np.isin(cells, np.round(seen.column("m0").to_numpy(), 1))
        ratios.append(counts[own].mean() / counts.mean())
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)


def test_neural_decoder_draws_by_the_curve() -> None:
    neural = pytest.importorskip("simulacra_trainer.families.neural.coding")
    rng = np.random.default_rng(8)
    values = np.round(np.exp(rng.normal(4, 0.5, 600)), 1)
    other = np.round(np.exp(rng.normal(4, 0.5, 600)), 1)
    column, schema = numbers_column("x", values, 1)
    coding = neural.fit_coding(pa.chunked_array([column]), schema)
    rows = coding.cell_rows().ravel()
    cells = rng.choice(rows.size, DRAWS, p=rows / rows.sum())
    made = coding.decode(cells // neural.CELLS, cells % neural.CELLS, rng.random(DRAWS))
    made = made[~np.isnan(made)]
    assert made.std() == pytest.approx(values.std(), rel=0.03)
    assert np.isin(made, values).mean() == pytest.approx(np.isin(made, other).mean(), abs=0.05)


def test_stored_model_needs_no_table_to_draw(tmp_path: Path) -> None:
    table, schema = survey(600, seed=1)
    model = FOREST.fit(table, schema, table.column_names, seed=0, options={}, progress=no_progress)
    model.save(tmp_path)
    rows = model.sample(300, np.random.default_rng(0))
    for given in (table, table.slice(0, 0)):
        loaded = FOREST.load(tmp_path, given, schema)
        assert loaded.sample(300, np.random.default_rng(0)).equals(rows)


@pytest.mark.parametrize("name", TAILS)
def test_a_tail_ends_near_the_largest_value(name: str) -> None:
    """A law without a bound ends 21 to 33 % beyond even, falling and rising values of a tail."""
    beyond, of_tail = [], []
    for seed in range(60):
        x = TAILS[name](np.random.default_rng(seed))
        end, begin = place_rows(x, 0.0).curve.ends[1], float(np.quantile(x, 0.9))
        beyond.append(end / x.max())
        of_tail.append((end - begin) / (x.max() - begin))
    assert 0.93 < np.mean(beyond) < 1.06
    assert 0.85 < np.mean(of_tail) < 1.15


def test_dates_keep_their_day_beside_the_minute_of_the_export() -> None:
    rng = np.random.default_rng(4)
    days = rng.integers(0, 3_000, 400) * 86_400_000_000
    days[:40] = 3_100 * 86_400_000_000 + 48_123_456_789
    column = pa.chunked_array([pa.array(days, pa.timestamp("us"))])
    codec = fit_codec(column, ColumnSchema(name="end", kind="datetime", storage="timestamp"))
    assert codec.unit == 86_400_000_000


def test_many_values_of_few_persons_are_drawn_beside_the_heaps() -> None:
    """Hours of work: nine of ten are multiples of five, and the others are 30 different numbers."""
    rng = np.random.default_rng(6)
    hours = rng.choice([20.0, 30, 35, 40, 45, 50, 60], 500, p=[0.1, 0.1, 0.1, 0.45, 0.1, 0.1, 0.05])
    other = rng.random(500) < 0.1
    hours[other] = rng.integers(5, 75, other.sum())
    curve = place_rows(hours, 1.0).curve
    values = np.round(drawn(curve))
    between = ~np.isin(values, np.arange(0, 100, 5))
    assert between.mean() == pytest.approx(np.mean(hours % 5 != 0), abs=0.03)
    assert np.mean(values == 40) == pytest.approx(np.mean(hours == 40), abs=0.02)

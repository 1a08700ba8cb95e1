"""The neural family: what it keeps of a table, orders, do(), what it must not copy, and that a seed
decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.families.base import no_progress
from simulacra_trainer.families.forest import FOREST
from trainer_tables import clean, levels_column, numbers_column, survey

if TYPE_CHECKING:
    from simulacra_trainer.families.neural import NeuralModel

pytestmark = [
    pytest.mark.neural,
    pytest.mark.skipif(find_spec("pytorch_lightning") is None, reason="needs the neural extra"),
]
TRAINING = "simulacra_trainer.families.neural.training"


def fit(table: pa.Table, schema: TableSchema, **options: object) -> NeuralModel:
    # Here, because every process of xdist collects this file, and torch takes seconds to import.
    from simulacra_trainer.families.neural import NEURAL

    return NEURAL.fit(
        table, schema, table.column_names, seed=0, options=options, progress=no_progress
    )


def draw(model: NeuralModel, n: int, seed: int = 0, **kwargs: object) -> pa.Table:
    return model.sample(n, np.random.default_rng(seed), **kwargs)


def floats(table: pa.Table, name: str) -> np.ndarray:
    return np.array(table.column(name).to_pylist(), np.float64)


@pytest.fixture(scope="module", autouse=True)
def short_training() -> Iterator[None]:
    """Train for a part of the usual steps, which is enough for tables of this size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{TRAINING}.BUDGET_S", 6.0)
        patch.setattr(f"{TRAINING}.MIN_BUDGET_S", 1.5)
        yield


@pytest.fixture(scope="module")
def table_and_schema() -> tuple[pa.Table, TableSchema]:
    return survey(1500, seed=1)


@pytest.fixture(scope="module")
def model(short_training: None, table_and_schema: tuple[pa.Table, TableSchema]) -> NeuralModel:
    return fit(*table_and_schema)


def test_drawn_table_has_types_levels_and_ranges_of_the_clean_table(
    model, table_and_schema
) -> None:
    table, _ = table_and_schema
    drawn = draw(model, 5000)
    assert drawn.schema.equals(table.schema)
    assert drawn.column("city").chunk(0).dictionary.equals(table.column("city").chunk(0).dictionary)
    prices = floats(drawn, "price")
    assert np.allclose(prices, np.round(prices, 2), atol=1e-12)
    for codec in (coding.codec for coding in model.codings):
        if codec.name in ("age", "price", "spend"):
            assert codec.low <= floats(drawn, codec.name).min()
            assert floats(drawn, codec.name).max() <= codec.high


def test_marginals_atoms_missing_and_dependence_are_preserved(model, table_and_schema) -> None:
    table, _ = table_and_schema
    drawn = draw(model, 20_000)
    for level in ("ada", "ell", "fay"):
        real, ours = ([v == level for v in t.column("city").to_pylist()] for t in (table, drawn))
        assert abs(np.mean(real) - np.mean(ours)) < 0.03
    assert (
        abs(drawn.column("income").null_count / 20_000 - table.column("income").null_count / 1500)
        < 0.02
    )
    zeros = [np.mean(floats(t, "spend") == 0) for t in (table, drawn)]
    assert abs(zeros[0] - zeros[1]) < 0.03
    assert zeros[0] > 0.02
    real, ours = (np.corrcoef(floats(t, "age"), floats(t, "spend"))[0, 1] for t in (table, drawn))
    assert abs(real - ours) < 0.12
    city, region = (np.array(drawn.column(name).to_pylist()) for name in ("city", "region"))
    assert np.mean(np.isin(city, ["ada", "cel"]) == (region == "north")) > 0.94
    assert set(city) == {"ada", "bor", "cel", "dun", "ell", "fay"}


def test_numbers_outside_atoms_are_interpolated_between_rows() -> None:
    rng = np.random.default_rng(0)
    values = np.where(rng.random(800) < 0.2, 0.0, rng.lognormal(3, 1, 800))
    table, schema = clean(
        numbers_column("x", values), levels_column("y", list(rng.choice(["a", "b"], 800)))
    )
    drawn = floats(draw(fit(table, schema), 4000), "x")
    assert np.isin(drawn[drawn != 0], values).mean() < 0.005
    assert abs(np.mean(drawn == 0) - np.mean(values == 0)) < 0.04


def test_first_reorders_columns_with_the_same_weights(model: NeuralModel) -> None:
    again = model.first(["spend", "segment"])
    assert again.columns[:2] == ["spend", "segment"]
    assert again.columns[2:] == [c for c in model.columns if c not in ("spend", "segment")]
    assert again.weights is model.weights
    front = draw(again, 3000, only=2)
    assert front.column_names == ["spend", "segment"]
    rows = draw(again, 3000, seed=3, given=front)
    assert rows.select(["spend", "segment"]).equals(front)
    young = floats(rows, "age")[np.array(rows.column("segment").to_pylist()) == "switcher"]
    assert young.mean() < floats(rows, "age").mean() - 10
    assert again.first(model.columns).sample(50, np.random.default_rng(0)).equals(draw(model, 50))


def test_do_keeps_other_mechanisms_and_differs_from_conditioning(model: NeuralModel) -> None:
    """Switchers are young and the young spend more: conditioning on switchers moves spend,
    do(switcher) does not.
    """
    drawn = draw(model, 20_000)
    spend, age = floats(drawn, "spend"), floats(drawn, "age")
    switcher = np.array(drawn.column("segment").to_pylist()) == "switcher"
    done = draw(model, 20_000, do={"segment": "switcher"})
    assert set(done.column("segment").to_pylist()) == {"switcher"}
    assert abs(floats(done, "age").mean() - age.mean()) < 1
    conditioned, caused = (
        spend[switcher].mean() - spend.mean(),
        floats(done, "spend").mean() - spend.mean(),
    )
    assert conditioned > 20
    assert abs(caused) < conditioned / 2


def test_do_of_a_cause_moves_its_effect_by_the_mechanism(model: NeuralModel) -> None:
    spends = [floats(draw(model, 10_000, do={"price": p}), "spend").mean() for p in (4.0, 7.0)]
    assert -50 < spends[1] - spends[0] < -15  # the mechanism says -12 a unit, floored at zero


def test_same_seed_gives_the_same_rows_with_any_number_of_threads(
    model: NeuralModel, monkeypatch
) -> None:
    drawn = []
    for threads in ("1", "4"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        drawn.append(draw(model, 20_000, seed=9))
    assert drawn[0].equals(drawn[1])
    assert not draw(model, 20_000, seed=10).equals(drawn[0])


def test_likelihood_prefers_true_rows_and_uses_the_shared_grid(
    model: NeuralModel, table_and_schema
) -> None:
    table, schema = table_and_schema
    unseen, _ = survey(600, seed=77)
    swapped = unseen.column("spend").take(pa.array(np.random.default_rng(0).permutation(600)))
    shuffled = unseen.set_column(5, "spend", swapped)
    real, broken = (model.log_likelihood(t).mean() for t in (unseen, shuffled))
    assert np.isfinite(real)
    assert real > broken + 0.5
    forest = FOREST.fit(table, schema, table.column_names, seed=0, options={}, progress=no_progress)
    assert abs(real - forest.log_likelihood(unseen).mean()) < 1.0


def test_likelihood_sums_to_one_over_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{TRAINING}.MIN_BUDGET_S", 0.5)  # it does so for any weights
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, 400)
    table, schema = clean(
        numbers_column("x", x), levels_column("y", list(np.where(x > 0, "up", "down")))
    )
    judged = fit(table, schema)
    coding = judged.codings[0]
    edges = coding.grid.edges
    middles = np.concatenate([[x.min()], (edges[1:] + edges[:-1]) / 2, [x.max()]])
    cells = pa.table({"x": middles, "y": pa.array(["up"] * middles.size).dictionary_encode()})
    both = [cells, cells.set_column(1, "y", pa.array(["down"] * middles.size).dictionary_encode())]
    total = sum(np.exp(judged.log_likelihood(t)).sum() for t in both)
    assert 0.99 < total < 1.001


def test_degenerate_columns_are_learned() -> None:
    """A constant, a level of one row, a datetime, many levels, a column that is mostly missing,
    thirty rows.
    """
    rng = np.random.default_rng(2)
    n = 400
    days = rng.integers(0, 3000, n)
    town = [f"t{i}" for i in rng.integers(0, 330, n - 330)] + [f"t{i}" for i in range(330)]
    columns = (
        levels_column("same", ["x"] * n),
        levels_column("rare", ["once"] + ["often"] * (n - 1)),
        levels_column("town", town),
        numbers_column("gone", np.where(rng.random(n) < 0.9, np.nan, rng.normal(5, 1, n))),
        (
            pa.array(days * 86_400_000_000, pa.timestamp("us")),
            ColumnSchema(name="day", kind="datetime", storage="x"),
        ),
        levels_column("late", list(np.where(days > 1500, "yes", "no"))),
    )
    table, schema = clean(*columns)
    drawn = draw(fit(table, schema), 6000)
    assert drawn.schema.equals(table.schema)
    assert set(drawn.column("same").to_pylist()) == {"x"}
    assert set(drawn.column("rare").to_pylist()) <= {"once", "often"}
    assert len(set(drawn.column("town").to_pylist())) > 300
    assert abs(drawn.column("gone").null_count / 6000 - table.column("gone").null_count / n) < 0.05
    moved = drawn.column("day").cast(pa.int64()).to_numpy()
    assert not (moved % 86_400_000_000).any()
    assert (
        np.mean(
            (moved // 86_400_000_000 > 1500)
            == (np.array(drawn.column("late").to_pylist()) == "yes")
        )
        > 0.8
    )
    small = draw(fit(table.slice(0, 30), schema), 10)
    assert small.num_rows == 10

"""The privacy dial on tables whose copying is known."""

import numpy as np
import pyarrow as pa
import pytest

from simulacra_trainer.dial import DialResult, _cheapest, turn_dial
from simulacra_trainer.families.base import no_progress
from simulacra_trainer.families.forest import FOREST, grow, model
from simulacra_trainer.halves import HalfModelRows, Halves, crossed_halves, split_halves
from simulacra_trainer.table.clean import clean_table


def _table(rows: int, columns: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(rows, 3))
    return pa.table({f"c{j}": factor @ rng.normal(size=3) + rng.normal(size=rows) for j in range(columns)})


def test_few_rows_are_tested_with_the_halves_exchanged() -> None:
    table = _table(400, 3, 0)
    pairs = crossed_halves(table, seed=1)
    assert len(pairs) == 4
    assert pairs[0].seen.equals(split_halves(table, seed=1).seen)
    for one, other in (pairs[:2], pairs[2:]):
        assert one.seen.equals(other.unseen)
        assert one.unseen.equals(other.seen)
    assert not pairs[0].seen.equals(pairs[2].seen)
    assert len(crossed_halves(_table(3_000, 3, 0), seed=1)) == 2
    assert len(crossed_halves(_table(5_000, 3, 0), seed=1)) == 1


def test_a_short_wide_table_is_held_by_a_higher_penalty() -> None:
    clean = clean_table(_table(200, 60, 1))
    dial = turn_dial(clean.table, clean.schema, [column.name for column in clean.schema.learned()], seed=0)
    assert dial.penalty > 5
    assert dial.error is not None
    assert dial.share < 0.6


def test_the_model_of_all_rows_asks_only_columns_on_which_half_models_disagree(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    says = {3: [True, False], 4: [False, False]}  # of others: scores

    def is_likelier(*_: object, seed: int) -> bool:
        asked.append(seed)
        return says.get(seed, [True, True])[asked.count(seed) - 1]

    monkeypatch.setattr(grow, "is_likelier", is_likelier)
    monkeypatch.setattr(model, "threads", lambda: 1)
    clean = clean_table(_table(600, 6, 2))
    names = [column.name for column in clean.schema.learned()]
    dial = turn_dial(clean.table, clean.schema, names, seed=0)
    assert sorted(asked) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5], "no penalty asks again"
    asked.clear()
    says[3] = [True]
    fitted = FOREST.fit(clean.table, clean.schema, names, seed=0, options=dial.options, progress=no_progress)
    assert asked == [3]
    assert fitted.scored == {"c1": True, "c2": True, "c3": True, "c4": False, "c5": True}


@pytest.mark.parametrize(
    ("shares", "chosen"),
    [([0.56, 0.528, 0.50], 1), ([0.70, 0.66, 0.655], 1), ([0.534, 0.52, 0.51], 0), ([0.70, 0.60, 0.55], 2)],
)
def test_the_smallest_penalty_that_passes_or_is_as_good_as_any(shares: list[float], chosen: int) -> None:
    empty = pa.table({"a": [1.0]})
    rows = HalfModelRows(Halves(empty, empty), empty)
    tried = {i: DialResult(float(i), share, None, 0.0, rows) for i, share in enumerate(shares)}
    assert _cheapest(tried) == chosen


def test_copies_above_their_base_rate_do_not_pass() -> None:
    empty = pa.table({"a": [1.0]})
    rows = HalfModelRows(Halves(empty, empty), empty)
    assert DialResult(3.0, 0.51, None, -0.01, rows).passes
    assert not DialResult(3.0, 0.51, None, 0.01, rows).passes

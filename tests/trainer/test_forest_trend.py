"""Effects of numbers on numbers under do() are not blurred by the leaves."""

import numpy as np
import pyarrow as pa
import pytest

from simulacra_trainer.families.base import no_progress
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.families.forest.parts import Context
from simulacra_trainer.families.forest.trend import find_trend
from simulacra_trainer.table.clean import clean_table

ROWS = 4_000


def _fit(columns: dict, penalty: float):
    clean = clean_table(pa.table(columns))
    options = {"penalty": penalty}
    return FOREST.fit(clean.table, clean.schema, list(columns), seed=0, options=options, progress=no_progress)


def _confounded() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    z = rng.normal(size=ROWS)
    t = z + 0.7 * rng.normal(size=ROWS)
    return {"z": z, "t": t, "y": t + 2 * z + 0.5 * rng.normal(size=ROWS)}


@pytest.mark.parametrize("penalty", [3.0, 18.0])
def test_an_effect_keeps_its_size_under_do(penalty: float) -> None:
    model = _fit(_confounded(), penalty)
    means = [
        float(np.mean(model.sample(50_000, np.random.default_rng(1), do={"t": t}).column("y").to_numpy()))
        for t in (-1.0, 1.0)
    ]
    assert means[1] - means[0] == pytest.approx(2.0, abs=0.3)


def test_rows_without_do_are_drawn_from_the_leaves_alone() -> None:
    model = _fit(_confounded(), 3.0)
    y = model.sample(20_000, np.random.default_rng(1)).column("y").to_numpy()
    assert not model._trends
    assert y.std() == pytest.approx(_confounded()["y"].std(), rel=0.03)


def test_a_trend_moves_no_training_row_on_average_and_ignores_missing_values() -> None:
    columns = _confounded()
    columns["z"][::50] = np.nan
    model = _fit(columns, 12.0)
    part, training = model.parts[2], Context(model.data.codes, model.data.values)
    trend = find_trend(part.tree, training, model.data.values[2], [True] * 3)
    assert trend is not None
    shift = trend.shift(training, np.arange(ROWS, dtype=np.int32))
    assert np.isfinite(shift).all()
    assert abs(shift.mean()) < 1e-6 < shift.std()


def test_a_tree_that_splits_on_no_number_has_no_trend() -> None:
    rng = np.random.default_rng(0)
    model = _fit({"a": rng.normal(size=ROWS), "b": rng.normal(size=ROWS)}, 18.0)
    training = Context(model.data.codes, model.data.values)
    assert find_trend(model.parts[1].tree, training, model.data.values[1], [True, True]) is None

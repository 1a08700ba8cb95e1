"""Skip patterns of surveys hold in generated rows, with reordered columns and under do()."""

import numpy as np
import pyarrow as pa
import pytest

from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.families.base import no_progress
from simulacra_trainer.families.forest import FOREST

ROWS = 2_000


def _survey() -> dict[str, np.ndarray]:
    """Hours and pay (8 or more) only for those who work, overtime only above 40 hours."""
    rng = np.random.default_rng(1)
    age = rng.integers(18, 80, ROWS)
    works = rng.random(ROWS) < np.where(age < 66, 0.7, 0.15)
    hours = np.where(works, rng.integers(8, 61, ROWS), np.nan)
    paid = np.where(rng.random(ROWS) < 0.6, "paid", "unpaid")
    overtime = np.where(works & (np.nan_to_num(hours) > 40), paid, None)
    pay = np.where(works, np.round(8 + rng.gamma(2.0, 4.0, ROWS), 2), np.nan)
    return {
        "age": age,
        "works": np.where(works, "yes", "no"),
        "hours": hours,
        "overtime": overtime,
        "pay": pay,
    }


@pytest.mark.parametrize("penalty", [1.0, 5.0, 18.0])
def test_skipped_questions_stay_missing_and_others_stay_answered(penalty: float) -> None:
    clean = clean_table(pa.table(_survey()))
    options = {"penalty": penalty}
    names = list(clean.table.column_names)
    model = FOREST.fit(
        clean.table, clean.schema, names, seed=0, options=options, progress=no_progress
    )
    drawn = [
        model.sample(10_000, np.random.default_rng(2)),
        model.first(["overtime", "age"]).sample(10_000, np.random.default_rng(3)),
        model.first(["pay"]).sample(10_000, np.random.default_rng(4)),
        model.sample(10_000, np.random.default_rng(5), do={"age": 70.0}),
        model.sample(10_000, np.random.default_rng(6), do={"works": "no"}),
    ]
    for table in drawn:
        works = np.array(table.column("works").to_pylist()) == "yes"
        hours = table.column("hours").to_numpy()
        overtime = ~np.array(table.column("overtime").is_null().to_pylist())
        pay = table.column("pay").to_numpy()
        assert np.array_equal(np.isnan(hours), ~works)
        assert np.array_equal(overtime, np.nan_to_num(hours) > 40)
        assert np.array_equal(np.isnan(pay), ~works)
        assert np.nanmin(np.append(pay, 8.0)) > 7.5  # the end of the curve

"""Which relations the report lists, and by what it calls them kept, weakened or lost."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_schema.verdicts import likeness
from simulacra_trainer.report.comparison.dependence import (
    LEAST_RATIO,
    Dependence,
    find_dependences,
    measured_ratio,
)
from simulacra_trainer.report.comparison.differences import Differences
from simulacra_trainer.report.comparison.strength import LEAST_TREND, Strength, trends_of
from simulacra_trainer.report.worth import figures_of, model_worth
from trainer_tables import clean, levels_column, numbers_column

ROWS = 1200
MINUTE = 60_000_000


def _answers(rows: int, seed: int, effect: float = 0.35) -> tuple[pa.Table, TableSchema]:
    """Sex, an attitude from 1 to 10 that it moves a little, and noise."""
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, rows)
    attitude = np.clip(np.round(5.5 + effect * (sex - 0.5) + rng.normal(0, 1.6, rows)), 1, 10)
    return clean(
        levels_column("sex", ["m" if one else "f" for one in sex]),
        numbers_column("attitude", attitude, 0),
        levels_column("noise", rng.choice(["x", "y", "z"], rows).tolist()),
    )


def _pairs(effect: float) -> dict[tuple[str, str], Dependence]:
    """The relations found in rows of a model that keeps this effect of sex."""
    (seen, schema), (unseen, _) = _answers(ROWS // 2, 1), _answers(ROWS // 2, 2)
    drawn = [_answers(4 * ROWS, seed, effect)[0] for seed in (3, 4)]
    trials = [(seen, unseen, drawn[0]), (unseen, seen, drawn[1])]
    found = find_dependences(trials, schema, schema_names(schema), seed=0)
    return {one.columns: one for one in found}


def schema_names(schema: TableSchema) -> list[str]:
    return [column.name for column in schema.learned()]


def test_a_weak_trend_that_the_model_destroys_is_listed_as_lost() -> None:
    assert set(_pairs(0.35)) == {("sex", "attitude")}
    found = _pairs(0.0)["sex", "attitude"]
    assert found.word == "lost"
    assert found.strength is not None
    assert abs(found.strength.real) > 0.06 > 4 * abs(found.strength.generated)
    assert _pairs(0.35)["sex", "attitude"].word != "lost"


@pytest.mark.parametrize(
    ("generated", "word"), [(0.3, "kept"), (0.25, "kept"), (0.2, "weakened"), (0.05, "lost")]
)
def test_a_strength_counts_where_chance_does_not_explain_it(generated: float, word: str) -> None:
    sure, unsure = (Strength(0.3, generated, error) for error in (0.02, 0.2))
    assert Dependence(("a", "b"), 1.0, sure).word == word
    assert Dependence(("a", "b"), 1.0, unsure).word == "kept"
    assert Dependence(("a", "b"), 9.0, unsure).word == "lost"


def test_a_trend_of_next_to_nothing_is_no_relation_however_many_rows_show_it() -> None:
    counts = np.array([[[0, 0, 0], [0, 51_000, 49_000], [0, 49_000, 51_000]]], float)
    (trend,), (chance,) = trends_of(counts)
    assert (round(trend, 3), chance < 1e-9) == (0.02, True)
    assert trend < LEAST_TREND


def test_a_pair_of_trends_alone_does_not_move_the_ratio_of_cells() -> None:
    cells = Dependence(("a", "b"), 3.0)
    trend = Dependence(("a", "c"), 1.0, in_cells=False)
    assert measured_ratio([cells, trend], 500) == measured_ratio([cells], 500) == 0.5
    assert measured_ratio([trend], 500) == 1.0


def test_rows_that_lost_the_strength_of_most_pairs_are_worth_little() -> None:
    """Cells of few rows are as near to unseen ones as chance is, whatever the model kept."""
    lost = Dependence(("a", "b"), 1.0, Strength(0.4, -0.06, 0.05))
    kept = Dependence(("a", "c"), 1.0, Strength(0.4, 0.4, 0.05))
    assert (lost.word, kept.word) == ("lost", "kept")
    assert measured_ratio([lost, lost], 60) == LEAST_RATIO
    assert measured_ratio([lost, kept], 60) == 1.0
    weakened = Dependence(("a", "d"), 1.0, Strength(0.4, 0.2, 0.01))
    assert (weakened.word, measured_ratio([weakened, weakened, kept], 60)) == ("weakened", 2 / 3)


def _interviews(rows: int, seed: int, minutes: float) -> pa.Table:
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 60 * 24 * 60, rows)
    end = start + rng.gamma(20, minutes / 20, rows)
    dates = [pa.array((of * MINUTE).astype(np.int64), pa.timestamp("us")) for of in (start, end)]
    return pa.table(dates, names=["start", "end"])


def test_dates_near_one_another_are_judged_by_their_difference() -> None:
    real, like, other = (_interviews(800, i, of) for i, of in enumerate((73, 73, 217)))
    names = ("start", "end")
    columns = [ColumnSchema(name=n, kind="datetime", storage="timestamp[us]") for n in names]
    same, wrong = (Differences(real, of, columns).shared(*names) for of in (like, other))
    assert same is not None
    assert wrong is not None
    assert same > 0.9
    assert wrong < 0.1
    far = real.set_column(1, "end", like.column("end"))
    assert Differences(far, far, columns).shared(*names) is None
    mixed = [columns[0], columns[1].model_copy(update={"kind": "integer"})]
    assert Differences(real, like, mixed).shared(*names) is None
    schema = TableSchema(rows=1600, columns=columns)
    drawn = pa.concat_tables([_interviews(1600, 7, 217)])
    (pair,) = find_dependences([(real, like, drawn)], schema, [*names], seed=0)
    assert pair.word == "lost"
    assert pair.to_json()["difference"] <= 0.1


def test_the_report_names_lost_relations_and_the_status_counts_them() -> None:
    (seen, schema), (unseen, _) = (_answers(ROWS // 2, seed, 0.8) for seed in (1, 2))
    trials = [(seen, unseen, _answers(4 * ROWS, 3, 0.0)[0])]
    worth = model_worth(trials, pa.concat_tables([seen, unseen]), schema, seed=0)
    (pair,) = worth["pairs"]
    assert (pair["columns"], pair["kept"]) == (["sex", "attitude"], "lost")
    assert {type(pair[of]) for of in ("real", "generated")} == {float}
    figures = figures_of(worth)
    counts = {name: of for name, of in figures.items() if name.startswith("pairs_")}
    assert counts == {
        "pairs_kept": 0.0,
        "pairs_weakened": 0.0,
        "pairs_lost": 1.0,
        "pairs_unmeasured": 0.0,
    }
    judged = likeness(figures | {"c2st_auc": 0.5})
    assert judged.level == "poor"
    assert "0 of 1 relation between questions kept, 0 weakened, 1 lost" in judged.sentence


def test_a_column_that_decides_another_is_measured_by_its_strength() -> None:
    kept, lost = (
        [Dependence(("a", "b"), None, Strength(1.0, drawn, 0.01))] for drawn in (1.0, 0.2)
    )
    assert (kept[0].word, measured_ratio(kept, 500)) == ("kept", 1.0)
    assert (lost[0].word, measured_ratio(lost, 500)) == ("lost", 0.2)
    chance = [Dependence(("a", "b"), None, Strength(0.1, 0.1, 0.2))]
    assert (chance[0].word, measured_ratio(chance, 500)) == ("not measured", None)

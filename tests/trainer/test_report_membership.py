"""Attackers by own values and words: red on rows that repeat people, green on rows of others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from simulacra_schema.table import ColumnSchema
from simulacra_trainer.report.attackers.membership import (
    CELL,
    VALUES,
    WINDOWS,
    WORDS,
    Advantage,
    PersonRows,
    mean_advantage,
    membership,
    number_scores,
    unit_of,
)
from trainer_tables import clean, levels_column

NUMBERS = 6
PERSONS = 300


def people(rows: int, seed: int) -> pa.Table:
    """Return people with numbers of one decimal that have a common cause."""
    rng = np.random.default_rng(seed)
    cause = rng.normal(0, 1, rows)
    columns = {
        f"m{j}": np.round(50 + 12 * (cause + rng.normal(0, 1, rows)), 1) for j in range(NUMBERS)
    }
    columns["happy"] = rng.integers(1, 6, rows).astype(float)
    return pa.table(columns)


def columns_of(table: pa.Table) -> list[ColumnSchema]:
    return [ColumnSchema(name=c, kind="numeric", storage="double") for c in table.column_names]


def attacked(drawn: pa.Table) -> dict[str, Advantage]:
    members, controls = people(PERSONS, 1), people(PERSONS, 2)
    return membership(PersonRows(members), PersonRows(controls), drawn, columns_of(members))


def test_rows_of_other_people_tell_nothing() -> None:
    signs: dict[str, list[float]] = {name: [] for name in VALUES}
    for seed in range(100, 160, 3):
        members, controls, drawn = (people(PERSONS, seed + i) for i in range(3))
        drawn = pa.concat_tables([drawn, people(3 * PERSONS, seed + 1000)])
        found = membership(PersonRows(members), PersonRows(controls), drawn, columns_of(members))
        assert set(found) == set(VALUES)
        for name, one in found.items():
            signs[name].append(one.gain.value / one.gain.error)
    for name, of in signs.items():
        assert abs(np.mean(of)) < 3.0 / np.sqrt(len(of)), name
        assert 0.4 < np.std(of) < 1.6, name
    false = np.max(list(signs.values()), axis=0) > 2.24
    assert np.mean(false) <= 0.2, "chance exceeds 2.24 errors in one window once in twenty"


@pytest.mark.parametrize("rows_a_person", [2, 4])
def test_rows_that_repeat_people_among_those_of_others_tell_who_they_are(
    rows_a_person: int,
) -> None:
    others = people((rows_a_person - 1) * PERSONS, 3)
    found = attacked(pa.concat_tables([people(PERSONS, 1), others]))
    assert found[CELL].gain.value > 5.0 * found[CELL].gain.error


def test_numbers_that_are_mixed_between_people_still_tell_who_they_are_of() -> None:
    rng, members = np.random.default_rng(4), people(PERSONS, 1)
    mixed = {c: rng.choice(members.column(c).to_numpy(), 4 * PERSONS) for c in members.column_names}
    found = attacked(pa.table(mixed))
    assert found[CELL].gain.value > 0.4
    assert found[CELL].found > 0.5


def test_numbers_beside_those_of_people_are_found_by_a_window() -> None:
    rng, members = np.random.default_rng(5), people(PERSONS, 1)
    near = {}
    for name in members.column_names:
        of = rng.choice(members.column(name).to_numpy(), 4 * PERSONS)
        near[name] = of + 0.01 * rng.integers(-3, 4, of.size)  # never on the grid of the people
    found = attacked(pa.table(near))
    assert max(found[name].gain.value for name in WINDOWS) > 0.2


def test_a_number_of_many_people_tells_little() -> None:
    rng = np.random.default_rng(7)
    ages = [rng.integers(18, 90, size).astype(float) for size in (PERSONS, PERSONS, 4 * PERSONS)]
    members, controls, drawn = (pa.table({"age": of}) for of in ages)
    drawn = pa.concat_tables([drawn, members])
    found = membership(PersonRows(members), PersonRows(controls), drawn, columns_of(members))
    assert all(abs(one.gain.value) < 3.0 * one.gain.error for one in found.values())


def test_scores_count_the_persons_of_a_number_however_many_rows_are_drawn() -> None:
    drawn = np.sort(np.random.default_rng(3).integers(0, 31, PERSONS)).astype(float)
    ages = np.arange(31.0)
    once = number_scores(drawn, ages, 1.0, 1.0)["near_4"]
    often = number_scores(np.repeat(drawn, 8), ages, 1.0, 8.0)["near_4"]
    assert often == pytest.approx(once, abs=0.02)
    assert np.abs(once).max() > 0.1


def words(seed: int, own: int) -> list[str]:
    """Return words of which some are one person's each."""
    rng = np.random.default_rng(seed)
    usual = list(rng.choice(["clerk", "nurse", "baker"], PERSONS - own))
    return [*usual, *(f"job {seed} {i}" for i in range(own))]


def test_own_words_that_never_come_tell_who_was_not_in_the_table() -> None:
    tables = [clean(levels_column("job", words(seed, 60)))[0] for seed in (1, 2)]
    columns = clean(levels_column("job", words(1, 60)))[1].learned()
    of = [PersonRows(one) for one in tables]
    found = membership(*of, tables[0], columns)
    assert found[WORDS].gain.value == pytest.approx(0.1)
    none = membership(*of, clean(levels_column("job", words(3, 0)))[0], columns)
    assert none[WORDS].gain.value == pytest.approx(0.0)
    assert membership(of[0], of[0], tables[0], columns) == {}


def test_all_rows_of_a_person_count_together() -> None:
    members, controls = people(PERSONS, 1), people(PERSONS, 2)
    who = np.repeat(np.arange(PERSONS // 3), 3)
    drawn = pa.concat_tables([members, people(9 * PERSONS, 3)])
    columns = columns_of(members)
    alone = membership(PersonRows(members), PersonRows(controls), drawn, columns)[CELL].gain
    both = membership(PersonRows(members, who), PersonRows(controls, who), drawn, columns)[
        CELL
    ].gain
    assert PersonRows(members, who).persons == PERSONS // 3
    assert both.error > alone.error, "a third as many people"
    assert both.value > alone.value, "three rows tell more of each"


def test_exchanged_halves_are_averaged() -> None:
    copies, others = attacked(people(PERSONS, 1)), attacked(people(PERSONS, 3))
    found = mean_advantage([copies[CELL], others[CELL]])
    assert found.gain.value == pytest.approx(
        (copies[CELL].gain.value + others[CELL].gain.value) / 2
    )
    assert found.gain.error < copies[CELL].gain.error + others[CELL].gain.error
    assert found.found == pytest.approx((copies[CELL].found + others[CELL].found) / 2)


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([1.0, 3.0, 9.0], 2.0),
        ([100.0, 300.0, 1000.0], 100.0),
        ([0.1, 0.25, 0.3], 0.05),
        ([], 1.0),
        ([1 / 3, 0.123456789], 1e-6),
    ],
)
def test_unit_is_the_step_of_the_grid(values: list[float], unit: float) -> None:
    assert unit_of(np.array([*values, np.nan])) == pytest.approx(unit)


def test_dates_are_attacked_on_their_days() -> None:
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(40), "D")
    stamps = pa.array(days.to_numpy().astype("datetime64[us]")).cast(pa.int64()).to_numpy()
    assert unit_of(stamps.astype(np.float64)) == 86_400e6

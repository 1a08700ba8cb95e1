"""No respondent is counted: by probes, ranges, segments, effects and reports, or by differences.

`tests/support/counting_attack.py` has the attacks, and runs them on many persons as a script.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from counting_attack import (
    ILLNESSES,
    WARDS,
    Counting,
    OfModel,
    Permuted,
    Segments,
    diff,
    diff2,
    fitted,
    hits,
    people,
    quota_diff,
    quota_misses,
    readout,
    singled_out,
    windows,
)
from simulacra_trainer.pipeline import row_plan

POOL = 20_000
"""Rows of a pool in these tests: fewer, for speed."""
Known = tuple[OfModel, pd.DataFrame, pd.DataFrame]


@pytest.fixture(scope="module")
def known() -> Known:
    """Answers of a model, its singled out persons, and such people who are not in the table."""
    trained, table = fitted()
    return OfModel(trained), singled_out(table, 12), singled_out(people(5), 12)


@pytest.fixture(autouse=True)
def small_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_plan, "MIN_POOL", POOL)


@pytest.mark.parametrize(("attack", "persons"), [(readout, 12), (diff, 8), (diff2, 4)])
def test_backing_reads_members_no_better_than_other_people(
    known: Known, attack: Callable[[Any, Any], Mapping[str, float]], persons: int
) -> None:
    answers, members, others = known
    asked = [one.iloc[:: 12 // persons] for one in (members, others)]
    read, chance = (hits(answers, one, attack) for one in asked)
    assert read <= chance + np.sqrt(2.0 * persons)  # two standard errors of two shares of a half
    assert read < persons


@pytest.mark.parametrize(("attack", "persons"), [(quota_diff, 12), (quota_misses, 6)])
def test_quotas_read_members_no_better_than_other_people(
    known: Known, attack: Callable[[Any, Any], Mapping[str, float]], persons: int
) -> None:
    answers, members, others = known
    asked = [one.iloc[:: 12 // persons] for one in (members, others)]
    read, chance = (hits(answers, one, attack) for one in asked)
    assert read <= chance + np.sqrt(2.0 * persons)
    assert read < persons
    assert hits(Counting(people(4)), asked[0], attack) == persons  # the attack itself works


def test_no_figure_of_a_probe_is_a_count(known: Known) -> None:
    answers, members, _ = known
    person = next(members.itertuples())
    age = (int(person.age), int(person.age))
    found = answers.probe({"sex": {person.sex: 1.0}, "age": age})
    assert "backing_rows" not in found
    assert found["backing"] == float(f"{found['backing']:.2g}")
    for one in found["evidence"]["classes"]:
        assert one["worth"] <= found["backing"] * 1.05


def test_cells_of_segments_are_not_read_by_subtraction(known: Known) -> None:
    answers, members, others = known
    attack = Segments(answers)
    read, chance = (hits(answers, one, attack) for one in (members, others))
    assert read <= chance + 4
    assert read < 12


def test_a_persons_cell_is_no_answer_in_another_segment(known: Known) -> None:
    """Sex and ward with nobody else, asked as the share of the ward by sex and illness."""
    answers, _, _ = known
    attack = Permuted(answers)
    everyone = [singled_out(people(seed), 200) for seed in (4, 5)]
    read, chance = (hits(answers, one, attack) for one in everyone)
    assert read <= chance + 20  # two standard errors


def test_windows_of_an_effect_do_not_move_one_person(known: Known) -> None:
    answers, members, others = known
    read, chance = (hits(answers, one, windows) for one in (members, others))
    assert read <= chance + 3
    assert read < 10


def test_an_effect_of_few_people_says_neither_their_mean_nor_their_number(known: Known) -> None:
    answers, members, _ = known
    person = next(members.itertuples())
    other = next(ward for ward in WARDS if ward != person.ward)
    for illness in ILLNESSES:
        asked = {"treatment": "ward", "value": person.ward, "baseline": other}
        found = answers.effect(**asked, outcome=f"illness={illness}")
        assert found["verdict"]["kind"] == "unanswerable"
        assert found["naive"] is None


def test_a_report_does_not_say_that_a_row_is_real(known: Known) -> None:
    answers, members, others = known
    told = set()
    for person in (next(members.itertuples()), next(others.itertuples())):
        levels = {name: {getattr(person, name): 1.0} for name in ("sex", "ward", "illness")}
        ranges = {name: (getattr(person, name),) * 2 for name in ("age", "income")}
        report = answers.report(levels | ranges, rows=20)
        told.add(report["privacy"]["exact_copies"] if report else None)
    assert len(told - {None}) <= 1

"""Columns of which no two have one value in a row: ranks, choices in order, best and worst."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from simulacra_schema.table import RelationSchema
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.families.base import FittedModel
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.relations.compute import sentence, without_computed
from simulacra_trainer.relations.different import with_different
from simulacra_trainer.relations.plan import relations_report, with_relations

ROWS = 600
ITEMS = np.array(["price", "quality", "service", "brand", "taste", "health", "origin", "look"])
Frame = pd.DataFrame


def people(seed: int, items: int) -> tuple[Frame, np.ndarray]:
    """Return persons, and what each of them thinks of some items, with the best first."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, ROWS)
    trend = 0.03 * (age[:, None] - 45) * np.linspace(-1, 1, items)
    liked = rng.gumbel(0, 1, (ROWS, items)) + np.linspace(0, 1.5, items) + trend
    return Frame({"sex": rng.choice(["f", "m"], ROWS), "age": age}), (-liked).argsort(axis=1)


def ranking(seed: int, items: int = 5, top: int | None = None) -> Frame:
    """Return a rank from 1 on for each item, or for the first ones alone."""
    frame, order = people(seed, items)
    ranks = pd.DataFrame(order.argsort(axis=1) + 1).astype("Int64")
    return frame.assign(
        **{f"rank_{'abcdefgh'[j]}": ranks[j].where(ranks[j] <= (top or items)) for j in ranks}
    )


def choices(seed: int) -> Frame:
    """Return the first three of six items by name."""
    frame, order = people(seed, 6)
    return frame.assign(**{f"choice_{j + 1}": ITEMS[order[:, j]] for j in range(3)})


def tasks(seed: int) -> Frame:
    """Return the best and worst of four of eight items, of which each person has other ones."""
    frame, order = people(seed, 8)
    rng = np.random.default_rng(seed + 100)
    for task in (1, 2, 3):
        place = order.argsort(axis=1) + rng.gumbel(0, 1.5, order.shape)
        hidden = rng.permuted(np.tile(np.arange(8) < 4, (ROWS, 1)), axis=1)
        best = np.where(hidden, np.inf, place).argmin(axis=1)
        worst = np.where(hidden, -np.inf, place).argmax(axis=1)
        frame[f"best_{task}"], frame[f"worst_{task}"] = ITEMS[best], ITEMS[worst]
    return frame


def cleaned(frame: Frame) -> CleanTable:
    return clean_table(pa.Table.from_pandas(frame, preserve_index=False))


def fitted(clean: CleanTable) -> FittedModel:
    learned = without_computed(clean.schema)
    names = [column.name for column in learned.learned()]
    forest = FOREST.fit(clean.table, learned, names, seed=0, options={}, progress=lambda _: None)
    return with_relations(forest, clean.schema, clean.table)


def groups(clean: CleanTable) -> list[list[str]]:
    found = (one for one in clean.schema.relations if one.kind == "all_different")
    return [[one.column, *one.of] for one in found]


def repeats(rows: pa.Table, names: list[str]) -> int:
    """Return in how many rows two of these columns have one value."""
    cells = rows.select(names).to_pandas()
    return int(sum(row.dropna().duplicated().any() for _, row in cells.iterrows()))


def answered(rows: pa.Table, names: list[str]) -> set[int]:
    return set(rows.select(names).to_pandas().notna().sum(axis=1))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("make", "values"),
    [
        (lambda seed: ranking(seed), [1.0]),
        (lambda seed: ranking(seed, items=8), [2.0, 1.0]),
        (lambda seed: ranking(seed, items=6, top=3), [1.0]),
        (choices, ["quality"]),
        (tasks, ["price", "look"]),
    ],
    ids=["ranks", "eight ranks", "top three", "choices", "best and worst"],
)
def test_no_row_repeats_a_value(
    make: Callable[[int], Frame], values: list[float | str], seed: int
) -> None:
    frame = make(seed)
    clean = cleaned(frame)
    model = fitted(clean)
    asked = list(frame.columns[2:])
    expected = [asked] if make is not tasks else [asked[:2], asked[2:4], asked[4:]]
    assert groups(clean) == expected
    rng = np.random.default_rng(seed)
    free = [name for name in asked[::-1] if name in model.inner.columns]
    do = dict(zip(free[1:], values, strict=False))
    rows, under_do = model.sample(2_000, rng), model.sample(500, rng, do=do)
    given = clean.table.select(free[:1]).slice(0, 500)
    held = model.first(free[:1]).sample(500, rng, given=given)
    twins = model.counterfactual(rows.slice(0, 500), do, rng)
    assert held.column(free[0]).equals(given.column(free[0]))
    for drawn in (under_do, twins):
        assert all(set(drawn.column(name).to_pylist()) == {value} for name, value in do.items())
    for names in expected:
        for drawn in (rows, under_do, held, twins):
            assert repeats(drawn, names) == 0
            assert answered(drawn, names) == answered(clean.table, names)
    shares = [
        drawn.select(asked).to_pandas().apply(lambda cells: cells.value_counts(normalize=True))
        for drawn in (rows, clean.table)
    ]
    assert float(np.abs(shares[0].fillna(0) - shares[1].fillna(0)).max().max()) < 0.08
    report = {
        one["relation"]: one["violations"] for one in relations_report(model, clean.schema, 0)
    }
    assert set(report.values()) == {0}
    assert len(report) >= len(expected)


def test_who_does_not_rank_at_all_ranks_nothing() -> None:
    frame = ranking(2, items=6, top=3)
    names = list(frame.columns[2:])
    frame.loc[frame["age"] < 30, names] = pd.NA
    clean = cleaned(frame)
    assert groups(clean) == [names]
    rows = fitted(clean).sample(2_000, np.random.default_rng(0))
    assert repeats(rows, names) == 0
    assert answered(rows, names) == {0, 3}
    missing = [one.column(names[0]).null_count / one.num_rows for one in (rows, clean.table)]
    assert abs(missing[0] - missing[1]) < 0.08


def test_rare_words_that_are_learned_as_one_may_come_together() -> None:
    frame = choices(3)
    names = list(frame.columns[2:])
    own = frame["age"] < 30
    for name in names[1:]:
        frame.loc[own, name] = [f"{name} of {k}" for k in range(own.sum())]
    clean = cleaned(frame)
    pooled = [level.value for level in clean.schema.column(names[1]).levels if level.pooled]
    rows = clean.table.select(names).to_pandas()
    assert len(pooled) == 1
    assert (rows[names[1:]] == pooled[0]).all(axis=1).sum() == own.sum()
    assert groups(clean) == [names]


def test_columns_that_differ_by_chance_or_apart_are_no_group() -> None:
    frame = choices(4)
    alike = frame.assign(choice_2=frame["choice_2"].where(frame.index > 0, frame["choice_1"]))
    assert groups(cleaned(alike)) == [["choice_1", "choice_3"], ["choice_2", "choice_3"]]
    halves = Frame({"sex": frame["sex"], "age": frame["age"]})
    for half in (0, 1):
        halves[f"liked_{half}"] = frame["choice_1"].where(frame.index % 2 == half)
    assert groups(cleaned(halves)) == []
    rng = np.random.default_rng(0)
    other = Frame({"sex": frame["sex"], "north": rng.choice(["a", "b", "c"], ROWS)})
    assert groups(cleaned(other.assign(south=rng.choice(["d", "e", "f"], ROWS)))) == []


def test_a_question_that_one_answer_opens_is_no_group() -> None:
    frame, _ = people(7, 3)
    rng = np.random.default_rng(7)
    often = rng.choice(["never", "once", "often", "daily"], ROWS)
    planned = rng.choice(["once", "often", "daily"], ROWS)
    asked = frame.assign(often=often, planned=np.where(often == "never", planned, None))
    assert groups(cleaned(asked)) == []


def test_what_repeats_a_held_value_gets_the_one_that_is_left() -> None:
    clean = cleaned(ranking(0))
    names = [f"rank_{letter}" for letter in "abcde"]
    relation = RelationSchema(kind="all_different", column=names[0], of=names[1:])
    rows = pa.table({name: [value] for name, value in zip(names, [3, 2, 3, 4, 5], strict=True)})
    for held, expected in (("rank_c", [1, 2, 3, 4, 5]), ("rank_a", [3, 2, 1, 4, 5])):
        moved = with_different(rows, relation, clean.schema, {held})
        assert [moved.column(name)[0].as_py() for name in names] == expected
    assert sentence(relation) == "no two of rank_a, rank_b, rank_c, rank_d, rank_e are alike"

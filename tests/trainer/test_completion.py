"""Gaps are filled m times: relations, skips and codes hold, and given cells never change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from simulacra_intake.errors import InputError
from simulacra_schema.completion import GivenOptions
from simulacra_schema.description import parse_description
from simulacra_trainer.cleaning.described import clean_described
from simulacra_trainer.completion import Completion, complete, fill, models, read_given
from simulacra_trainer.completion.gaps import plan_gaps
from simulacra_trainer.families.forest.growth.grow import ColumnGrower
from simulacra_trainer.families.forest.growth.training_rows import TrainingRows
from simulacra_trainer.graph import CausalGraph
from simulacra_trainer.in_process import complete_table
from simulacra_trainer.rules.check import broken
from simulacra_trainer.trained_model import TrainedModel

ROWS, M = 600, 4
Columns = dict[str, list[object]]


def model_of(columns: Columns, *rules: dict[str, Any], **figures: float) -> TrainedModel:
    """Return a table as the donors of a completion, which needs no fitted family."""
    stated = parse_description({"fields": [], "x-simulacra": {"rules": list(rules)}})
    clean = clean_described(pa.table(columns), stated).clean
    graph = CausalGraph(order=[], parent_lists={}, edges=[])
    return TrainedModel(None, "forest", clean.table, clean.schema, graph, figures)  # type: ignore[arg-type]


def with_gaps(values: np.ndarray, gap: np.ndarray) -> list[object]:
    return [None if missing else value for value, missing in zip(values.tolist(), gap, strict=True)]


def people(rows: int = ROWS, seed: int = 1) -> dict[str, np.ndarray]:
    """Return complete answers: all depend on a trait that age moves."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    trait = (age - 50) / 18 + rng.normal(size=rows)
    words = np.array(["low", "middle", "high"])
    return {
        "age": age,
        "region": rng.choice(["North", "South", "East"], rows),
        "trust": words[np.digitize(trait + rng.normal(size=rows), [-0.7, 0.9])],
        "income": np.round(2000 + 400 * trait + rng.normal(0, 150, rows), -1),
        "votes": np.where(trait + rng.normal(size=rows) > 0, "yes", "no"),
    }


def cells_of(done: Completion, name: str, rows: int = ROWS) -> np.ndarray:
    """Return the filled cells of a column, object [m, rows]; None where nothing was filled."""
    out = np.full((done.report.implicates, rows), None, object)
    table = done.filled.to_pydict()
    for row, i, value in zip(table["row"], table["implicate"], table[name], strict=True):
        out[i - 1, row] = value
    return out


def gaps_of(kind: str, answers: dict[str, np.ndarray]) -> np.ndarray:
    """Return gaps bool [rows, 3] of trust, income and votes."""
    rng = np.random.default_rng(5)
    if kind == "anywhere":
        return rng.random((ROWS, 3)) < 0.3
    if kind == "by age":
        return rng.random((ROWS, 3)) < np.where(answers["age"] > 50, 0.5, 0.1)[:, None]
    return np.eye(3, dtype=bool)[rng.integers(0, 3, ROWS)]


@pytest.mark.parametrize("kind", ["anywhere", "by age", "blocks"])
def test_gaps_of_all_kinds_are_filled_without_bias(kind: str) -> None:
    answers = people()
    gap = gaps_of(kind, answers)
    columns = {name: of.tolist() for name, of in answers.items()}
    for k, name in enumerate(("trust", "income", "votes")):
        columns[name] = with_gaps(answers[name], gap[:, k])
    done = complete(model_of(columns), None, GivenOptions(implicates=M), seed=1)
    for k, name in enumerate(("trust", "income", "votes")):
        filled = cells_of(done, name)
        assert all((filled[i] != None).tolist() == gap[:, k].tolist() for i in range(M))  # noqa: E711
    truth = answers["income"]
    income = cells_of(done, "income")[:, gap[:, 1]].astype(float)
    standard_error = truth.std() / np.sqrt(gap[:, 1].sum())
    assert abs(income.mean() - truth[gap[:, 1]].mean()) < 3 * standard_error
    naive = truth[~gap[:, 1]].mean()
    if kind == "by age":  # who answered is younger, so their mean is no guess at the gaps
        assert abs(naive - truth[gap[:, 1]].mean()) > 5 * standard_error
    votes = cells_of(done, "votes")[:, gap[:, 2]] == "yes"
    real = answers["votes"][gap[:, 2]] == "yes"
    assert abs(votes.mean() - real.mean()) < 3 * np.sqrt(0.25 / real.size)
    related = np.corrcoef(income.mean(axis=0), answers["age"][gap[:, 1]])[0, 1]
    assert related > 0.5
    assert not done.report.nested
    assert done.report.sweeps >= 3


def test_implicates_differ_by_what_their_halves_know() -> None:
    answers = people()
    gap = np.random.default_rng(2).random(ROWS) < 0.4
    columns = {name: of.tolist() for name, of in answers.items()}
    columns["votes"] = with_gaps(answers["votes"], gap)
    options = GivenOptions(implicates=10)
    done = complete(model_of(columns), None, options, seed=1)
    means = (cells_of(done, "votes")[:, gap] == "yes").mean(axis=1)
    assert done.report.nested
    assert done.report.sweeps == 0
    # The least that a proper imputation of 40 % of 600 rows has, and what one model would claim.
    assert 0.5 / np.sqrt(ROWS) < means.std(ddof=1) < 0.1
    column = done.report.columns[0]
    assert column.worth is not None
    assert 250 < column.worth < 590
    assert column.check is not None
    assert 0.75 < column.check.share <= 1


def test_fillings_differ_by_chance_and_numbers_that_a_half_lacks_have_a_slope() -> None:
    """Evenly spread draws took chance out of shares; unseen numbers counted as the median."""
    rng = np.random.default_rng(3)
    spent = np.where(rng.random(ROWS) < 0.8, 0.0, np.round(rng.gamma(1.0, 20.0, ROWS), 2))
    bought = rng.random(ROWS) < np.where(spent > 0, 0.6, 0.05)
    gap = rng.random((2, ROWS)) < 0.4
    coin = with_gaps(rng.choice(["heads", "tails"], ROWS), gap[0])
    buys = with_gaps(np.where(bought, "yes", "no"), gap[1])
    trained = model_of({"spent": spent.tolist(), "bought": buys, "coin": coin})
    done = complete(trained, None, GivenOptions(implicates=30), seed=1)
    heads = (cells_of(done, "coin")[:, gap[0]] == "heads").mean(axis=1)
    answered, filled = ROWS - gap[0].sum(), gap[0].sum()
    assert heads.std(ddof=1) > 0.8 * np.sqrt(0.25 / answered + 0.25 / filled)
    assert (cells_of(done, "bought")[:, gap[1] & (spent > 0)] == "yes").mean() > 0.45


def test_a_number_that_is_mostly_zero_has_a_worth() -> None:
    rng = np.random.default_rng(13)
    spent = np.where(rng.random(ROWS) < 0.9, 0, rng.integers(1, 900, ROWS))
    columns = {name: of.tolist() for name, of in people().items()}
    columns["spent"] = with_gaps(spent, rng.random(ROWS) < 0.3)
    done = complete(model_of(columns), None, GivenOptions(implicates=M))
    assert (done.report.columns[0].worth or 0) > 100


def test_same_seed_gives_the_same_cells_and_another_gives_others() -> None:
    columns = {name: of.tolist() for name, of in people().items()}
    columns["income"] = with_gaps(people()["income"], gaps_of("anywhere", people())[:, 1])
    trained = model_of(columns)
    options = GivenOptions(implicates=2)
    first, again, other = (complete(trained, None, options, seed=s).filled for s in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


def test_models_learn_from_given_answers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, int]] = []

    def spy(data: TrainingRows, column: int, *args: object, **more: object) -> object:
        seen.append((bool(np.isnan(data.values[column]).any()), data.values[column].size))
        return ColumnGrower(data, column, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(fill, "ColumnGrower", spy)
    columns = {name: of.tolist() for name, of in people().items()}
    gap = gaps_of("anywhere", people())
    for k, name in enumerate(("trust", "income")):
        columns[name] = with_gaps(people()[name], gap[:, k])
    complete(model_of(columns), None, GivenOptions(implicates=2))
    assert len(seen) > 10
    assert not any(has_null for has_null, _ in seen)
    assert max(rows for _, rows in seen) <= ROWS / 2


def test_skipped_questions_stay_empty_and_the_filled_filter_decides() -> None:
    rng = np.random.default_rng(3)
    answers = people()
    works = np.where(answers["age"] < 60, "yes", "no")
    works = np.where(rng.random(ROWS) < 0.1, "no", works)
    hours = rng.integers(10, 50, ROWS)
    lost, unsaid = rng.random(ROWS) < 0.1, rng.random(ROWS) < 0.2
    columns = {
        "age": answers["age"].tolist(),
        "votes": answers["votes"].tolist(),
        "works": with_gaps(works, lost),
        "hours": with_gaps(hours, (works == "no") | unsaid),
    }
    done = complete(model_of(columns), None, GivenOptions(implicates=M))
    filled = cells_of(done, "hours")
    skipped = (works == "no") & ~lost
    assert not (filled[:, skipped] != None).any()  # noqa: E711
    asked = (works == "yes") & ~lost & unsaid
    assert (filled[:, asked] != None).all()  # noqa: E711
    said = cells_of(done, "works")
    for i in range(M):  # a filter that was filled with "no" skips the question, too
        no = lost & (said[i] == "no")
        assert not (filled[i, no] != None).any()  # noqa: E711
    answered = lost & (works == "yes") & ~unsaid
    assert (said[:, answered] == "yes").all()
    hours_report = next(one for one in done.report.columns if one.column == "hours")
    assert hours_report.skips == int(skipped.sum())


def test_blocks_of_a_random_form_are_no_skips() -> None:
    answers = people(900)
    form = np.random.default_rng(4).integers(0, 3, 900)
    columns: Columns = {"form": np.array(["A", "B", "C"])[form].tolist()}
    columns |= {name: of.tolist() for name, of in answers.items()}
    for k, name in enumerate(("trust", "income", "votes")):
        columns[name] = with_gaps(answers[name], form == k)
    done = complete(model_of(columns), None, GivenOptions(implicates=2))
    assert [one.skips for one in done.report.columns] == [0, 0, 0]
    assert [one.filled for one in done.report.columns] == [int((form == k).sum()) for k in range(3)]


def coded() -> TrainedModel:
    """Return a survey whose income has refusals (-9) and blanks."""
    answers = people()
    rng = np.random.default_rng(6)
    kind = rng.choice(3, ROWS, p=[0.7, 0.15, 0.15])
    income = np.where(kind == 1, -9, answers["income"])
    columns = {name: of.tolist() for name, of in answers.items()}
    columns["income"] = with_gaps(income, kind == 2)
    return model_of(columns)


def test_special_codes_stay_unless_they_are_to_be_filled() -> None:
    trained = coded()
    income = trained.schema.find("income")
    assert income is not None
    assert income.code_column is not None
    kept = complete(trained, None, GivenOptions(implicates=2)).report.columns
    filled = complete(trained, None, GivenOptions(implicates=2, fill_codes=True)).report.columns
    nulls = trained.table.column("income").null_count
    codes = ROWS - trained.table.column(income.code_column).null_count
    assert 0 < codes < nulls
    assert [one.gaps for one in kept] == [nulls - codes]
    assert [one.gaps for one in filled] == [nulls]


def budget() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    level = rng.gamma(3, 1, ROWS)
    food, rent, rest = (
        np.round(base + scale * level + rng.normal(0, 10, ROWS)).astype(int)
        for base, scale in ((100, 40), (300, 150), (50, 30))
    )
    return {"food": food, "rent": rent, "rest": rest, "total": food + rent + rest}


def test_totals_and_parts_add_up_with_given_cells_as_they_were() -> None:
    whole = budget()
    rng = np.random.default_rng(8)
    gap = rng.random((ROWS, 4)) < 0.25
    columns: Columns = {"age": people()["age"].tolist(), "votes": people()["votes"].tolist()}
    trained = model_of(columns | {name: of.tolist() for name, of in whole.items()})
    assert [one.column for one in trained.schema.computed()] == ["total"]
    given = read_given(
        pa.table(
            columns | {name: with_gaps(of, gap[:, k]) for k, (name, of) in enumerate(whole.items())}
        ),
        trained.schema,
    )
    done = complete(trained, given, GivenOptions(implicates=M))
    parts = []
    for k, (name, of) in enumerate(whole.items()):
        filled = cells_of(done, name)
        assert not (filled[:, ~gap[:, k]] != None).any()  # noqa: E711
        empty = filled == None  # noqa: E711
        parts.append(np.where(empty & gap[:, k], np.nan, np.where(empty, of, filled)).astype(float))
    food, rent, rest, total = parts
    known = ~np.isnan(food + rent + rest + total)
    assert known.mean() > 0.95
    assert (food + rent + rest == total)[known].all()
    one = gap[:, :3].sum(axis=1) == 1  # a total with one part missing gives that part
    one &= ~gap[:, 3] & gap[:, 1]
    assert (rent[:, one] == whole["rent"][one]).all()
    assert (np.nanmin(parts, axis=(1, 2)) > -50).all()
    asked = complete(trained, given, GivenOptions(columns=["rent"], implicates=2))
    assert [one.column for one in asked.report.columns] == ["rent", "total"]  # it follows from rent
    both = gap[:, 1] & gap[:, 3] & ~gap[:, 0] & ~gap[:, 2]
    sums = cells_of(asked, "rent")[:, both] + (whole["food"] + whole["rest"])[both]
    assert (sums == cells_of(asked, "total")[:, both]).all()


def test_parts_that_are_zero_in_a_given_total_stay_empty() -> None:
    """Who has no rent leaves it empty; where the total is empty, too, it may be unknown."""
    rng, names = np.random.default_rng(11), ("food", "rent", "rest")
    gap = rng.random((3, ROWS)) < 0.2
    lost, gap[2] = rng.random(ROWS) < 0.1, False
    columns = {k: with_gaps(budget()[k], of) for k, of in zip(names, gap, strict=True)}
    total = sum(np.where(of, 0, budget()[k]) for k, of in zip(names, gap, strict=True))
    trained = model_of({**columns, "total": total.tolist()})
    (relation,) = trained.schema.computed()
    assert relation.missing_as_zero
    given = read_given(pa.table({**columns, "total": with_gaps(total, lost)}), trained.schema)
    done = complete(trained, given, GivenOptions(implicates=2))
    filled = cells_of(done, "rent") != None  # noqa: E711
    assert not filled[:, ~(gap[1] & lost)].any()
    assert filled[:, gap[1] & lost].all()


def test_what_a_sum_leaves_counts_before_a_rounded_logarithm() -> None:
    """Of food 171 the logarithm 5.1 leaves 164, beside which the parts do not add up."""
    names, rng = ("rent", "rest", "food", "total"), np.random.default_rng(9)
    whole = {name: budget()[name] for name in names}
    whole["log_food"] = np.round(np.log(whole["food"]), 1)
    trained = model_of({name: of.tolist() for name, of in whole.items()})
    assert [one.column for one in trained.schema.computed()] == ["total", "log_food"]
    gaps = {name: rng.random(ROWS) < 0.3 for name in ("rent", "food")}
    columns = {k: with_gaps(of, gaps.get(k, np.zeros(ROWS, bool))) for k, of in whole.items()}
    given = read_given(pa.table(columns), trained.schema)
    done = complete(trained, given, GivenOptions(implicates=2))
    alone = gaps["food"] & ~gaps["rent"]
    assert (cells_of(done, "food")[:, alone] == whole["food"][alone]).all()


def test_given_rows_are_read_as_the_donors_were() -> None:
    answers = people()
    columns = {name: of.tolist() for name, of in answers.items()}
    columns["since"] = [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(ROWS)]
    trained = model_of(columns)
    given = read_given(
        pa.table({
            "age": ["33", "44"],
            "region": ["North ", "North"],
            "income": [2000, None],
            "votes": ["yes", "yes"],
            "since": pa.array([datetime(2024, 3, 1), None], pa.timestamp("us")),
            "unknown": [1, 2],
        }),
        trained.schema,
    )  # fmt: skip
    assert given.table.column("age").to_pylist() == [33, 44]
    assert given.table.column("region").to_pylist() == ["North", "North"]
    assert given.table.column("income").to_pylist() == [2000.0, None]
    assert given.table.column("votes").to_pylist() == ["yes", "yes"]
    assert str(given.table.column("since").to_pylist()[0])[:10] == "2024-03-01"
    done = complete(trained, given, GivenOptions(implicates=2, columns=["trust"]))
    assert done.filled.column_names == ["row", "implicate", "trust"]
    assert set(done.filled.column("trust").to_pylist()) <= {"low", "middle", "high"}
    assert done.report.privacy is not None
    assert {one.column for one in done.report.common} == {
        "age", "region", "income", "votes", "since",
    }  # fmt: skip


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_is_completed_in_this_process(tmp_path: Path, suffix: str) -> None:
    trained = model_of({name: of.tolist() for name, of in people().items()})
    rows = pa.table({"age": [25, 70] * 10, "region": ["North"] * 20, "income": [1500.0, None] * 10})
    path = tmp_path / f"given.{suffix}"
    (csv.write_csv if suffix == "csv" else pq.write_table)(rows, path)
    asked = GivenOptions(implicates=3)
    of_file, of_table = (complete_table(trained, of, asked, seed=1) for of in (path, rows))
    assert of_file.filled.equals(of_table.filled)
    table = of_file.filled.to_pydict()
    assert table["row"] == [*range(20)] * 3
    assert [value is None for value in table["income"]] == [True, False] * 30
    assert complete_table(trained, rows.slice(0, 1), asked).report.rows == 1
    assert not {None} & set(table["votes"])


def test_unknown_levels_are_refused_with_their_column_or_taken_as_missing() -> None:
    trained = model_of({name: of.tolist() for name, of in people().items()})
    rows = pa.table({"age": [30, 40], "region": ["North", "West"], "votes": ["si", "no"]})
    with pytest.raises(InputError) as refused:
        read_given(rows, trained.schema)
    details = [one.detail for one in refused.value.errors]
    assert len(details) == 2
    assert "region has 1 level that the model does not know (1 row)" in details[0]
    assert "West" not in refused.value.message
    assert "region" not in refused.value.message
    given = read_given(rows, trained.schema, "missing")
    assert given.unknown == {"region": 1, "votes": 1}
    done = complete(trained, given, GivenOptions(implicates=2, unknown="missing"))
    assert next(one for one in done.report.columns if one.column == "region").gaps == 1


def test_typed_rows_meet_a_survey_of_text_and_another_form_names_its_column() -> None:
    """The survey has decimal commas and German dates; a frame has numbers and moments."""
    incomes = [f"{one + 0.25:.2f}".replace(".", ",") for one in people()["income"].tolist()]
    days = [f"{1 + i % 28:02}.0{1 + i % 9}.2024" for i in range(ROWS)]
    trained = model_of({"income": incomes, "day": days, "votes": people()["votes"].tolist()})
    assert [column.kind for column in trained.schema.columns[:2]] == ["numeric", "datetime"]
    moments = pa.array([datetime(2024, 1 + i % 9, 2) for i in range(30)], pa.timestamp("us"))
    rows = pa.table({"income": [1500.25, 900.0, 3000.75] * 10, "day": moments})
    given = read_given(rows, trained.schema)
    assert given.table["income"].to_pylist()[:2] == [1500.25, 900.0]
    assert given.table["day"].to_pylist()[0] == datetime(2024, 1, 2)
    with pytest.raises(InputError) as refused:
        read_given(pa.table({"income": ["much"] * 30, "day": moments}), trained.schema)
    (fault,) = refused.value.errors
    assert fault.detail == "income: More than 1 % of the cells are no numbers of this form."


def test_faults_of_a_request_come_all_at_once() -> None:
    columns = {name: of.tolist() for name, of in people().items()}
    columns["mail"] = [f"person{i}@example.com" for i in range(ROWS)]
    columns |= {name: of.tolist() for name, of in budget().items()}
    trained = model_of(columns, epsilon=1.0)
    options = GivenOptions(columns=["incomes", "mail", "total", "votes"])
    with pytest.raises(InputError) as refused:
        complete(trained, None, options)
    found = {one.pointer: one.detail for one in refused.value.errors}
    assert "epsilon" in found["/given"]
    assert 'Did you mean "income"?' in found["/given/columns/0"]
    assert "personal data" in found["/given/columns/1"]
    assert "food" in found["/given/columns/2"]
    assert len(found) == 4


def test_columns_that_few_donors_answered_and_rows_without_gaps_are_refused() -> None:
    columns = {name: of.tolist() for name, of in people().items()}
    rng = np.random.default_rng(9)
    columns["rare"] = with_gaps(rng.integers(0, 9, ROWS), np.arange(ROWS) >= 38)
    with pytest.raises(InputError, match="reason"):
        complete(model_of(columns), None)
    with pytest.raises(InputError) as refused:
        complete(model_of({k: v for k, v in columns.items() if k != "rare"}), None)
    assert "no gap" in refused.value.detail


def test_levels_of_few_persons_are_never_filled() -> None:
    answers = people()
    region = answers["region"].astype(object)
    region[:8] = "Elba"
    columns = {name: of.tolist() for name, of in answers.items()}
    columns["region"] = with_gaps(region, np.arange(ROWS) % 3 == 2)
    whole = model_of(columns)
    options = GivenOptions(implicates=10)
    assert "Elba" in complete(whole, None, options).filled.column("region").to_pylist()
    fewer = replace(whole, table=whole.table.slice(3))  # two of the six who said so are gone
    assert "Elba" not in complete(fewer, None, options).filled.column("region").to_pylist()


def test_filled_rows_are_no_nearer_to_the_half_that_was_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained = model_of({name: of.tolist() for name, of in people().items()})
    others = people(400, seed=2)
    given = read_given(
        pa.table({name: others[name].tolist() for name in ("age", "region")}), trained.schema
    )
    options = GivenOptions(implicates=5)
    found = complete(trained, given, options).report.privacy
    assert found is not None
    assert found.verdict == "passed"
    assert 0.45 < found.nearness < 0.55

    def copied(self: fill.Filling, j: int, rows: np.ndarray) -> None:
        """Copy the answers of the person of the half most alike (a hot deck)."""
        age, region = self.values[0], self.values[1]
        far = np.abs(age[rows][:, None] - age[self.learned])
        far += 9 * (region[rows][:, None] != region[self.learned])
        at = self.learned[far.argmin(axis=1)]
        self.set(j, rows, self.values[j][at])

    monkeypatch.setattr(fill.Filling, "_draw", copied)
    monkeypatch.setattr(fill.Filling, "_settle", lambda *_: None)
    copies = complete(trained, given, options).report.privacy
    assert copies is not None
    assert copies.verdict == "failed"


def test_answers_of_several_columns_are_not_those_of_one_donor() -> None:
    answers = people(400)
    rng = np.random.default_rng(10)
    for k in range(4):
        answers[f"amount_{k}"] = np.round(rng.gamma(2, 500, 400), 2)
    trained = model_of({name: of.tolist() for name, of in answers.items()})
    given = read_given(pa.table({"age": people(300, seed=3)["age"].tolist()}), trained.schema)
    done = complete(trained, given, GivenOptions(implicates=5)).filled.to_pydict()
    names = ["trust", "votes", "amount_0", "amount_1", "amount_2"]
    donors = set(zip(*(answers[name].tolist() for name in names), strict=True))
    made = list(zip(*(done[name] for name in names), strict=True))
    assert len(made) == 1500
    assert not donors & set(made)


def test_nested_gaps_need_no_sweeps_and_mixed_ones_do() -> None:
    columns = {name: of.tolist() for name, of in people().items()}
    nested = np.arange(ROWS) % 4
    columns["trust"] = with_gaps(people()["trust"], nested == 0)
    columns["votes"] = with_gaps(people()["votes"], nested <= 1)
    assert plan_gaps(model_of(columns), None, GivenOptions()).cells.is_nested
    columns["votes"] = with_gaps(people()["votes"], nested == 1)
    assert not plan_gaps(model_of(columns), None, GivenOptions()).cells.is_nested


def places() -> dict[str, np.ndarray]:
    """Return hamlets, which decide their village and one of three flags, and ordered dates."""
    rng = np.random.default_rng(11)
    hamlet, kind = rng.integers(0, 12, ROWS), np.arange(ROWS)
    start = 20_000 + rng.integers(0, 300, ROWS)
    return {
        "hamlet": np.array([f"hamlet {k}" for k in hamlet]),
        "village": np.array([f"village {k // 3}" for k in hamlet]),
        **{f"flag_{k}": np.where(hamlet % 3 == k, "yes", "no") for k in range(3)},
        "first": start,
        "last": start + rng.integers(0, 60, ROWS),
        "age": people()["age"][kind],
    }


def test_decided_columns_groups_and_bounds_hold_in_all_filled_rows() -> None:
    whole = places()
    gap = np.random.default_rng(12).random((ROWS, 7)) < 0.25
    names = list(whole)[:7]
    columns: Columns = {"age": whole["age"].tolist()}
    columns |= {name: with_gaps(whole[name], gap[:, k]) for k, name in enumerate(names)}
    trained = model_of(columns)
    assert {one.kind for one in trained.schema.relations} == {
        "decided", "not_above", "at_most_one",
    }  # fmt: skip
    done = complete(trained, None, GivenOptions(implicates=2))
    assert done.report.filled == done.report.gaps == int(gap.sum())
    filled = {}
    for k, name in enumerate(names):
        cells = cells_of(done, name)
        filled[name] = np.where(gap[:, k], cells, whole[name].astype(object)[None, :])
    number = np.vectorize(lambda text: int(text.split()[1]))
    assert (number(filled["hamlet"]) // 3 == number(filled["village"])).all()
    flags = [filled[f"flag_{k}"] == "yes" for k in range(3)]
    assert (np.sum(flags, axis=0) <= 1).all()
    assert (filled["first"] <= filled["last"]).all()


def test_best_and_worst_and_births_fit_in_all_filled_rows() -> None:
    rng = np.random.default_rng(13)
    items = np.array(["price", "quality", "service", "brand", "taste"])
    shown = items[rng.permuted(np.tile(np.arange(5), (ROWS, 1)), axis=1)]
    age = people()["age"]
    whole = {"best": shown[:, 0], "worst": shown[:, 1], "born": 2024 - age - (shown[:, 2] > "p")}
    gap = rng.random((ROWS, 3)) < 0.3
    columns: Columns = {"age": age.tolist()}
    columns |= {name: with_gaps(whole[name], gap[:, k]) for k, name in enumerate(whole)}
    trained = model_of(columns)
    assert {one.kind for one in trained.schema.relations} == {"all_different", "years"}
    done = complete(trained, None, GivenOptions(implicates=2))
    assert done.report.filled == done.report.gaps == int(gap.sum())
    best, worst, born = (
        np.where(gap[:, k], cells_of(done, name), values.astype(object)[None, :])
        for k, (name, values) in enumerate(whole.items())
    )
    assert not (best == worst).any()
    assert set((2024 - born - age).ravel()) == {0, 1}


def test_alike_cells_that_are_given_leave_no_other_cell_empty() -> None:
    rng = np.random.default_rng(14)
    items = np.array(["price", "quality", "service", "brand"])
    shown = items[rng.permuted(np.tile(np.arange(4), (ROWS, 1)), axis=1)]
    columns: Columns = {f"choice_{k + 1}": shown[:, k].tolist() for k in range(3)}
    trained = model_of({"age": people()["age"].tolist()} | columns)
    assert [one.kind for one in trained.schema.relations] == ["all_different"]
    given = pa.table({"age": [40] * 20, "choice_1": ["price"] * 20, "choice_2": ["price"] * 20})
    done = complete(trained, read_given(given, trained.schema), GivenOptions(implicates=2))
    filled = done.filled.column("choice_3").to_pylist()
    assert len(filled) == 40
    assert set(filled) <= {*items[1:]}


Gaps = dict[str, np.ndarray]


def holed(whole: dict[str, np.ndarray], gaps: Gaps, *rules: dict[str, Any]) -> TrainedModel:
    """Return a model of answers with gaps in some columns, and with stated rules."""
    columns = {name: of.tolist() for name, of in whole.items()}
    return model_of(columns | {k: with_gaps(whole[k], gap) for k, gap in gaps.items()}, *rules)


def breaking(trained: TrainedModel, done: Completion, gaps: Gaps) -> np.ndarray:
    """Return which rows with a gap in the columns of the first rule break it, bool [m, rows].

    Cells without a gap have to be as they were.
    """
    rule = trained.schema.rules[0].rule
    has_gap = np.any([gaps[name] for name in rule.columns() if name in gaps], axis=0)
    filled = {name: cells_of(done, name) for name in gaps}
    for name, gap in gaps.items():
        assert not (filled[name][:, ~gap] != None).any()  # noqa: E711
    out = []
    for i in range(done.report.implicates):
        columns = {name: trained.table.column(name).combine_chunks() for name in rule.columns()}
        for name in gaps.keys() & columns.keys():
            known = columns[name].to_pylist()
            both = np.where(gaps[name], filled[name][i], np.array(known, object)).tolist()
            array = pa.array(both)
            columns[name] = array.dictionary_encode() if pa.types.is_string(array.type) else array
        out.append(broken(pa.table(columns), rule) & has_gap)
    return np.array(out)


STATED: dict[str, dict[str, Any]] = {
    "if-then": {"if": {"votes": "yes"}, "then": {"trust": ["middle", "high"]}},
    "missing": {"if": {"votes": "no"}, "then": {"income": None}},
    "compare": {"compare": ["age", "<=", "income"], "plus": 1_500},
    "forbidden": {"forbidden": {"trust": "low", "income": {"min": 1_800}}},
    "allowed": {"allowed": ["votes", "trust"], "combinations": [["yes", "high"], ["no", "low"]]},
    "unique": {"unique": ["region", "income"]},
}


@pytest.mark.parametrize("name", STATED)
def test_stated_rules_hold_in_filled_rows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gap = gaps_of("anywhere", people())
    gaps = {"trust": gap[:, 0], "income": gap[:, 1], "votes": gap[:, 2]}
    trained = holed(people(), gaps, STATED[name])
    options = GivenOptions(implicates=2)
    done = complete(trained, None, options)
    assert not breaking(trained, done, gaps).any()
    if name in ("if-then", "compare", "forbidden"):
        assert sum(one.left_empty for one in done.report.columns) < 0.05 * done.report.gaps
    if name == "missing":  # who does not vote is not made a voter by the rule
        votes = cells_of(done, "votes")[:, gaps["votes"] & gaps["income"]]
        assert (votes == "no").mean() > 0.3
    assert not any("alone" in one for one in done.report.warnings)
    monkeypatch.setattr(models, "hold_stated", lambda filling, _: np.zeros(ROWS, np.bool_))
    assert breaking(trained, complete(trained, None, options), gaps).any()


@pytest.mark.parametrize("rule", [
    {"sum": ["food", "rent"], "equals": "spent"},
    {"sum": ["food", "rent", "spent"], "equals": 1_000},
])  # fmt: skip
def test_stated_sums_hold_in_filled_rows(rule: dict[str, Any]) -> None:
    whole, rng = budget(), np.random.default_rng(14)
    is_total = rule["equals"] == "spent"
    spent = whole["food"] + whole["rent"] if is_total else 1_000 - whole["food"] - whole["rent"]
    spent[:60] += 3
    answers = {"age": people()["age"], "food": whole["food"], "rent": whole["rent"], "spent": spent}
    gaps = {name: rng.random(ROWS) < 0.25 for name in ("food", "rent", "spent")}
    trained = holed(answers, gaps, rule)
    done = complete(trained, None, GivenOptions(implicates=2))
    assert not breaking(trained, done, gaps).any()
    assert done.report.filled > 0.95 * done.report.gaps


def test_gaps_that_no_value_helps_are_left_empty_unless_given_cells_break_the_rule() -> None:
    answers, gap = people(), np.random.default_rng(15).random(ROWS) < 0.3
    gaps, options = {"votes": gap}, GivenOptions(implicates=2)
    old = gap & (answers["age"] >= 70)
    never = {"forbidden": {"votes": ["yes", "no"], "age": {"min": 70}}}
    trained = holed(answers, gaps, never)
    done = complete(trained, None, options)
    empty = cells_of(done, "votes") == None  # noqa: E711
    assert (empty == (old | ~gap)).all()
    assert done.report.columns[0].left_empty == old.sum() > 0
    both = {"if": {"region": "North"}, "then": {"age": {"max": 69}, "votes": {"missing": False}}}
    trained = holed(answers, gaps, both)
    done = complete(trained, None, options)
    north = gap & (answers["region"] == "North")
    assert (breaking(trained, done, gaps) == (old & north)).all()
    assert set(cells_of(done, "votes")[:, old & north].ravel()) == {"yes", "no"}
    assert done.report.columns[0].left_empty == 0
    said = [one for one in done.report.warnings if "alone" in one]
    assert [one.split(" rows")[0] for one in said] == [str((old & north).sum())]


def test_rules_that_hold_anyway_change_no_cell() -> None:
    gap = gaps_of("anywhere", people())
    gaps = {"trust": gap[:, 0], "income": gap[:, 1]}
    options = GivenOptions(implicates=2)
    without = holed(people(), gaps)
    ruled = holed(people(), gaps, {"then": {"income": {"min": 0}}})
    assert complete(without, None, options).filled.equals(complete(ruled, None, options).filled)


def test_cells_that_would_tell_an_empty_one_are_empty_too() -> None:
    whole, rng = budget() | {"votes": people()["votes"]}, np.random.default_rng(16)
    gaps = {name: rng.random(ROWS) < 0.4 for name in ("food", "rent", "total")}
    food, rent, total = gaps.values()
    adds_up = {"sum": ["food", "rent", "rest"], "equals": "total"}
    trained = holed(whole, gaps, {"then": {"food": {"max": 1}}}, adds_up)
    assert [one.column for one in trained.schema.computed()] == ["total"]
    done = complete(trained, None, GivenOptions(implicates=2))
    said = {name: cells_of(done, name) != None for name in gaps}  # noqa: E711
    assert not said["food"].any()
    assert not said["total"][:, food].any()
    assert not said["rent"][:, food & ~total].any()  # the total and the rest would tell food
    assert said["rent"][:, rent & ~food].all()
    trained = holed(whole, gaps, {"if": {"votes": "no"}, "then": {"food": None}}, adds_up)
    done = complete(trained, None, GivenOptions(implicates=2))
    said = {name: cells_of(done, name) != None for name in gaps}  # noqa: E711
    no = whole["votes"] == "no"
    assert not said["food"][:, food & no].any()
    assert not said["total"][:, food & total & no].any()
    assert said["food"][:, food & ~no].all()

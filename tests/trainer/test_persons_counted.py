"""All that protects people counts persons: a table in which each person has several rows."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import EstimateRequest, FitRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_intake.rows_of_persons import (
    limits_of_persons,
    persons_a_group,
    persons_in,
    rows_a_person,
    split_persons,
)
from simulacra_schema.questions.fit import DifferentialPrivacy
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.effects.scores import Scores, summarize
from simulacra_trainer.families.forest.growth.dependencies import Dependencies
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.pipeline.holdout import exchanged_halves
from simulacra_trainer.trained_model import TrainedModel, load_model, save_model

PERSONS, ORDERS = 100, 8
IDENTIFIERS = ("order", "customer_id", "email", "name", "phone")


def orders(seed: int = 5) -> pa.Table:
    """Return orders of persons whose mail, name, birth date and diagnosis belong to them."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(PERSONS), ORDERS)
    born = [dt.date(1940, 1, 1) + dt.timedelta(int(d)) for d in rng.integers(0, 24_000, PERSONS)]
    ill = rng.choice(["none", "asthma", "diabetes"], PERSONS, p=[0.7, 0.2, 0.1]).tolist()
    ill[3] = "rare disease"
    spends = rng.lognormal(3, 0.6, PERSONS)
    return pa.table(
        {
            "order": [f"T{i:06d}" for i in range(who.size)],
            "customer_id": [f"C{p:04d}" for p in who],
            "email": [f"person{p}@mail.example.com" for p in who],
            "name": [f"Vera{'abcdefghij'[p % 10]} Winkel{'klmnopqrst'[p // 10]}" for p in who],
            "phone": [f"+44 7{p * 7 % 900:03d} {p * 3137 % 10**6:06d}" for p in who],
            "birth_date": [born[p] for p in who],
            "diagnosis": [ill[p] for p in who],
            "region": [["north", "south", "east"][p % 3] for p in who],
            "amount": np.round(spends[who] * rng.lognormal(0, 0.3, who.size), 2),
            "goods": rng.choice(["food", "books", "toys"], who.size).tolist(),
        }
    )  # fmt: skip


def fitted(clean: CleanTable) -> TrainedModel:
    request = FitRequest.model_validate({"family": "forest", "seed": 1})
    return fit_model(clean.table, clean.schema, request)


@dataclass(frozen=True)
class Case:
    """A table with its fitted model."""

    raw: pa.Table
    clean: CleanTable
    model: TrainedModel


@pytest.fixture(scope="module")
def case() -> Case:
    raw = orders()
    clean = clean_table(raw)
    return Case(raw, clean, fitted(clean))


def rows_of(model: TrainedModel, **request: object) -> pa.Table:
    asked = GenerateRequest.model_validate({"rowCount": 6_000, "seed": 2, **request})
    return pa.concat_tables(generate_rows(model, plan_generation(model, asked)))


REQUESTS: dict[str, dict[str, object]] = {
    "plain": {},
    "conditions": {"conditions": {"categorical": {"diagnosis": {"diabetes": 0.5}}}},
    "interventions": {"interventions": {"region": "north"}},
    "counterfactual": {"interventions": {"region": "north"}, "counterfactual": True},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_no_real_identifier_comes_back(case: Case, name: str) -> None:
    rows = rows_of(case.model, **REQUESTS[name])
    for column in IDENTIFIERS:
        real = set(case.raw.column(column).to_pylist())
        for other in rows.column_names:
            if pa.types.is_string(rows.column(other).type):
                assert not real & set(rows.column(other).to_pylist())


def test_birth_date_and_diagnosis_of_a_person_come_back_by_chance_only(case: Case) -> None:
    rows = rows_of(case.model)
    real, drawn = (
        [(row["birth_date"], row["diagnosis"]) for row in table.to_pylist()]
        for table in (case.raw.select(["birth_date", "diagnosis"]), rows)
    )
    known = set(real)
    assert sum(pair in known for pair in drawn) / rows.num_rows < 0.05


def test_word_of_one_person_is_never_emitted(case: Case) -> None:
    assert "rare disease" not in case.clean.schema.find("diagnosis").level_values()
    assert "rare disease" not in set(rows_of(case.model).column("diagnosis").to_pylist())


def test_amounts_of_the_most_extreme_persons_come_by_chance_alone(case: Case) -> None:
    most: Counter[str] = Counter()
    for who, amount in zip(case.raw.column("customer_id").to_pylist(),
                           case.raw.column("amount").to_pylist(), strict=True):  # fmt: skip
        most[who] = max(most[who], amount)
    extreme = sorted(most.values())[-12:]
    drawn = Counter(rows_of(case.model).column("amount").to_pylist())
    assert sum(drawn[amount] for amount in extreme) < 5


def test_saved_model_still_counts_persons_and_knows_real_values(
    case: Case, tmp_path: object
) -> None:
    save_model(case.model, tmp_path)
    loaded = load_model(tmp_path)
    assert persons_in(loaded.table, loaded.schema) is not None
    assert loaded.real_values.holds(["person7@mail.example.com"]).all()
    assert rows_of(loaded).equals(rows_of(case.model))


def test_clean_table_holds_no_identifier(case: Case) -> None:
    stored = case.clean.table.schema.metadata
    assert case.clean.table.column("customer_id").type == pa.int64()
    text = str(case.clean.table.to_pydict()) + repr(stored)
    assert "person7@mail" not in text
    assert "C0007" not in text


def test_halves_never_share_a_person(case: Case) -> None:
    persons = persons_in(case.clean.table, case.clean.schema)
    table = case.clean.table.append_column("who", pa.array(persons))
    for pair in exchanged_halves(table, seed=1, persons=persons):
        seen, unseen = (set(half.column("who").to_pylist()) for half in (pair.seen, pair.unseen))
        assert seen
        assert not seen & unseen
        assert abs(pair.seen.num_rows - pair.unseen.num_rows) <= 2 * ORDERS


def test_epsilon_is_refused_where_a_person_has_several_rows(case: Case) -> None:
    privacy = DifferentialPrivacy(epsilon=1.0)
    request = FitRequest.model_validate({"family": "forest", "seed": 1, "privacy": privacy})
    with pytest.raises(InputError, match="several rows") as refused:
        fit_model(case.clean.table, case.clean.schema, request)
    assert refused.value.pointer == "/epsilon"


def scores(value: np.ndarray, persons: np.ndarray | None = None) -> Scores:
    """Return scores of one cross-fit in which every row counts once."""
    ones = np.ones(value.size)
    return Scores(
        value=value,
        tilt=ones,
        propensities=(ones, ones),
        arm_weights=(ones, ones),
        representer=ones,
        residual=ones,
        units=persons,
    )


def test_interval_of_repeated_rows_is_that_of_the_persons() -> None:
    rng = np.random.default_rng(0)
    once = rng.normal(size=200)
    many = np.repeat(once, 9)
    persons = np.repeat(np.arange(200), 9)
    single = summarize([scores(once)])
    clustered = summarize([scores(many, persons)])
    naive = summarize([scores(many)])
    assert clustered.high - clustered.low == pytest.approx(single.high - single.low, rel=1e-6)
    assert naive.high - naive.low == pytest.approx((single.high - single.low) / 3, rel=0.01)
    few = summarize([scores(once[:20])])
    assert few.critical == pytest.approx(2.093, abs=1e-3)
    assert few.critical > clustered.critical == single.critical > naive.critical > 1.96


def test_effect_estimate_counts_persons(case: Case) -> None:
    from simulacra_trainer.effects.estimate import estimate_effect

    names = [column.name for column in case.clean.schema.learned() if column.name != "region"]
    request = EstimateRequest(
        treatment="region", value="north", baseline="south", outcome="amount", after=names
    )
    graph = case.model.graph
    clustered = estimate_effect(case.clean.table, case.clean.schema, graph, request, seed=1)
    columns = [
        c.model_copy(update={"role": None}) if c.role == "subject" else c
        for c in case.clean.schema.columns
    ]
    rows = case.clean.schema.model_copy(update={"columns": columns})
    naive = estimate_effect(case.clean.table, rows, graph, request, seed=1)
    wide, narrow = (e.estimate.high - e.estimate.low for e in (clustered, naive))
    assert wide > 1.5 * narrow


def test_rule_that_holds_within_persons_is_no_rule() -> None:
    persons = np.repeat(np.arange(40), 10)
    own = (persons * 37 % 40).astype(float)
    color = (persons * 7 % 5).astype(float)
    values, kinds = [own, color], [False, False]
    assert Dependencies(values, kinds).of(1, [0]) is not None
    assert Dependencies(values, kinds, persons).of(1, [0]) is None


def test_rule_across_persons_stays_a_rule() -> None:
    persons = np.repeat(np.arange(300), 4)
    city = np.tile(np.arange(20), 60).astype(float)
    region = city // 5
    assert Dependencies([city, region], [False, False], persons).of(1, [0]) is not None


def test_persons_are_counted_once_a_group() -> None:
    groups, persons = np.array([0, 0, 0, 1, 1, 2]), np.array([4, 4, 5, 4, 6, 6])
    assert persons_a_group(groups, persons, 4).tolist() == [2, 2, 1, 0]
    assert persons_a_group(groups, None, 4).tolist() == [3, 2, 1, 0]


def test_rows_a_person_is_one_without_repeats() -> None:
    assert rows_a_person(None) == 1.0
    assert rows_a_person(np.arange(9)) == 1.0
    assert rows_a_person(np.array([0, 0, 0, 1])) == 2.5


def test_rows_of_a_person_stay_together_in_a_split() -> None:
    persons = np.array([2, 0, 1, 0, 2, 1, 0])
    order = split_persons(persons, 7, np.random.default_rng(1))
    assert sorted(order) == list(range(7))
    assert np.count_nonzero(np.diff(persons[order])) == 2


def test_limits_are_those_of_the_fifth_person_not_of_the_fifth_row() -> None:
    values = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    persons = np.array([0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6])
    assert limits_of_persons(values, persons, 5) == (5.0, 3.0)


def distances(raw: pa.Table, rows: pa.Table) -> np.ndarray:
    """Return how far each real person's birth date and mean amount are from the nearest row's."""

    def points(table: pa.Table) -> np.ndarray:
        days = table.column("birth_date").cast(pa.int32()).to_numpy().astype(float)
        return np.column_stack([days / 7_000, np.log(table.column("amount").to_numpy())])

    real = points(raw).reshape(PERSONS, ORDERS, 2).mean(axis=1)
    drawn = points(rows)
    return np.sqrt(((real[:, None, :] - drawn[None, :, :]) ** 2).sum(axis=2)).min(axis=1)


def test_people_in_the_table_are_no_nearer_than_people_who_were_not(case: Case) -> None:
    rows = rows_of(case.model, rowCount=1_200)
    inside, outside = distances(case.raw, rows), distances(orders(seed=77), rows)
    wins = (
        np.mean(inside[:, None] < outside[None, :])
        + np.mean(inside[:, None] == outside[None, :]) / 2
    )
    error = np.sqrt((PERSONS + PERSONS + 1) / (12 * PERSONS * PERSONS))  # Mann & Whitney, 1947
    assert wins < 0.5 + 3 * error

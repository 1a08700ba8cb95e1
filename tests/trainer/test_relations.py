"""Relations that hold in every row of a table are found, said and kept in generated rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_schema.description import parse_description
from simulacra_schema.table import RelationSchema, TableSchema
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.cleaning.described import clean_described
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.relations import decided as relations_decided
from simulacra_trainer.relations import model as relations_model
from simulacra_trainer.relations.compute import (
    computed_values,
    sentence,
    violations,
    without_computed,
)
from simulacra_trainer.relations.plan import counted, with_relations
from simulacra_trainer.trained_model import TrainedModel, load_model, save_model

ROWS = 600
ITEMS = [f"item_{k}" for k in range(1, 9)]


def survey(rows: int = ROWS, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    trait = rng.normal(size=rows)
    items = np.clip(np.round(3 + trait + rng.normal(size=(8, rows))), 1, 5).astype(np.int64)
    price = np.round(rng.gamma(2, 10, rows) + 1, 2)
    quantity = rng.integers(1, 9, rows)
    cost = np.round(rng.gamma(2, 30, rows), 2)
    part = rng.integers(20, 60, rows)
    rest = rng.integers(1, 40, rows)
    start = np.datetime64("2024-01-01", "us") + rng.integers(0, 300, rows) * np.timedelta64(1, "D")
    return {
        **dict(zip(ITEMS, items, strict=True)),
        "total": items.sum(axis=0),
        "mean": np.round(items[:5].mean(axis=0), 2),
        "price": price,
        "quantity": quantity,
        "revenue": np.round(price * quantity, 2),
        "cost": cost,
        "profit": np.round(np.round(price * quantity, 2) - cost, 2),
        "part": part,
        "rest": rest,
        "whole": part + rest,
        "percent": np.round(100 * part / (part + rest), 1),
        "start": start,
        "end": start + rng.integers(0, 60, rows) * np.timedelta64(1, "D"),
        "city": rng.choice(["Bonn", "Kiel", "Ulm"], rows),
    }


def cleaned(columns: dict[str, np.ndarray]) -> CleanTable:
    return clean_table(pa.table({name: pa.array(values) for name, values in columns.items()}))


def sentences(schema: TableSchema) -> set[str]:
    return {sentence(relation) for relation in schema.relations}


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    clean = cleaned(survey())
    request = FitRequest(family="forest")
    return fit_model(clean.table, clean.schema, request)


def broken(trained: TrainedModel, **request: object) -> tuple[pa.Table, dict[str, int]]:
    """Return generated rows, and the relations that do not hold in them with their counts."""
    asked = GenerateRequest.model_validate({"rowCount": 2_000, **request})
    rows = pa.concat_tables(generate_rows(trained, plan_generation(trained, asked)))
    relations = trained.schema.relations
    counts = {sentence(one): violations(rows, one, trained.schema) for one in relations}
    return rows, {text: count for text, count in counts.items() if count}


def test_relations_of_a_survey_are_found() -> None:
    clean = cleaned(survey())
    assert sentences(clean.schema) == {
        "total = item_1 + item_2 + … + item_8 (8 columns)",
        "mean = mean of item_1 + item_2 + item_3 + item_4 + item_5",
        "revenue = price × quantity",
        "profit = revenue - cost",
        "whole = part + rest",
        "percent = 100 × part / whole",
        "start ≤ end",
    }
    notes = {note.column: note.action for note in clean.schema.cleaning}
    assert notes["revenue"] == "is computed, as in every row: price × quantity"


def household(rows: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Return counts of few values: of people in a household, and of stations that are watched."""
    rng = np.random.default_rng(seed)
    watched = (rng.random((4, rows)) < [[0.6], [0.4], [0.3], [0.2]]).astype(np.int64)
    adults, children = rng.integers(1, 4, rows), rng.integers(0, 3, rows)
    return {
        **{f"watches_{k}": one for k, one in enumerate(watched, 1)},
        "stations": watched.sum(axis=0),
        "adults": adults,
        "children": children,
        "people": adults + children,
        "age": rng.integers(18, 90, rows),
    }


def test_sums_of_few_values_are_found_where_chance_gives_none() -> None:
    sums = {
        "stations = watches_1 + watches_2 + watches_3 + watches_4",
        "people = adults + children",
    }
    assert sums <= sentences(cleaned(household(400)).schema)
    rare = household(400)
    rare["people"] = np.where(np.arange(400) % 100 == 0, 2 + np.arange(400) // 200, 1)
    rare["adults"], rare["children"] = rare["people"] - 1, np.ones(400, np.int64)
    assert not any(text.startswith("people") for text in sentences(cleaned(rare).schema))
    wrong = household(400)
    wrong["stations"][7] += 1
    assert not any(text.startswith("stations =") for text in sentences(cleaned(wrong).schema))


def test_relations_are_found_where_extreme_numbers_of_persons_are_moved() -> None:
    columns = {name: survey()[name] for name in ("price", "quantity", "revenue", "cost", "profit")}
    persons = np.array([f"P{i // 4:05d}" for i in range(ROWS)])
    clean = cleaned({"customer_id": persons, **columns})
    assert clean.schema.subject() is not None
    assert {"revenue = price × quantity", "profit = revenue - cost"} <= sentences(clean.schema)
    moved = np.asarray(clean.table.column("price")) != columns["price"]
    assert 0 < moved.sum() < 0.1 * ROWS
    for relation in clean.schema.computed():
        assert violations(clean.table, relation, clean.schema) == 0
    same = ~moved & (np.asarray(clean.table.column("quantity")) == columns["quantity"])
    revenue = np.asarray(clean.table.column("revenue"))
    assert (revenue[same] == columns["revenue"][same]).all()


def coded(rows: int = 1_000, seed: int = 1) -> dict[str, np.ndarray]:
    """Return a code that region and kind decide together, and an answer that depends on it."""
    rng = np.random.default_rng(seed)
    region, kind = rng.integers(0, 6, rows), rng.integers(0, 4, rows)
    code = np.random.default_rng(0).integers(0, 7, (6, 4))[region, kind]
    return {
        "region": np.array([f"region {k}" for k in region]),
        "kind": np.array([f"kind {k}" for k in kind]),
        "code": np.array([f"C{k:02d}" for k in code]),
        "tariff": np.where((region < 3) == (kind < 2), 1, 2),
        "answer": np.round(0.1 * code + rng.normal(size=rows), 2),
        "vote": rng.choice(["x", "y", "z"], rows),
    }


def decided(columns: dict[str, np.ndarray]) -> dict[str, RelationSchema]:
    relations = cleaned(columns).schema.relations
    return {one.column: one for one in relations if one.kind == "decided"}


def test_columns_that_two_decide_together_are_found() -> None:
    columns = coded()
    found = decided(columns)
    assert set(found) == {"code", "tariff"}
    assert found["code"].of == ["region", "kind"]
    assert sentence(found["code"]) == "code is decided by region and kind"
    listed = {tuple(case.of): case.value for case in found["code"].cases}
    assert listed == dict(
        zip(zip(columns["region"], columns["kind"], strict=True), columns["code"], strict=True)
    )
    own = columns["code"][7]
    columns["code"][7] = "C99"  # a word of one person contradicts nothing: it is not learned
    assert set(decided(columns)) == {"code", "tariff"}
    columns["code"][7] = "C01" if own != "C01" else "C02"
    columns["tariff"][9] = 3
    assert not decided(columns)


def test_pairs_of_few_persons_are_not_listed_and_a_rule_needs_persons() -> None:
    columns = coded()
    columns["region"][:4] = "village"
    columns["kind"][:4] = "kind 0"
    columns["code"][:4] = "C00"
    columns["tariff"][:4] = 1
    found = decided(columns)["code"]
    assert ["village", "kind 0"] not in [case.of for case in found.cases]
    person, row = np.arange(1_200) // 4, np.arange(1_200) % 2
    desk, floor = person // 6, 2 * (person % 6 // 3) + row  # three persons with two rows each
    table = np.random.default_rng(1).integers(0, 5, (50, 4))
    rows = {
        "desk": np.array([f"desk {k}" for k in desk]),
        "floor": np.array([f"floor {k}" for k in floor]),
        "phase": np.array([f"phase {k}" for k in table[desk, floor]]),
    }
    assert set(decided(rows)) == {"phase"}
    assert not decided({"customer_id": np.array([f"P{k:05d}" for k in person]), **rows})


def test_limit_of_listed_pairs_counts_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = coded(5_000)
    for k in range(4):  # four pairs of ten persons, of which the sample of rows sees one each
        rows = slice(100 + 10 * k, 110 + 10 * k)
        columns["region"][rows], columns["kind"][rows] = "village", f"kind {k}"
        columns["code"][rows], columns["tariff"][rows] = f"C{k:02d}", 1 + k // 2
    monkeypatch.setattr(relations_decided, "LOOK_ROWS", 500)
    assert len(decided(columns)["code"].cases) == 28
    monkeypatch.setattr(relations_decided, "MAX_CASES", 26)
    assert not decided(columns)


def test_only_rows_with_a_fault_are_drawn_and_checked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clean = cleaned(coded())
    names = ["code", "kind", "region", "tariff", "answer", "vote"]
    forest = FOREST.fit(
        clean.table, clean.schema, names, seed=0, options={}, progress=lambda _: None
    )
    checked: list[int] = []

    def faults(
        rows: pa.Table, rule: RelationSchema, schema: TableSchema, fixed: set[str]
    ) -> Iterator[tuple[list[str], np.ndarray]]:
        checked.append(rows.num_rows)
        return real(rows, rule, schema, fixed)

    real = relations_model._faults
    monkeypatch.setattr(relations_model, "_faults", faults)
    related = with_relations(forest, clean.schema)
    rows = related.sample(1_000, np.random.default_rng(1), do={"kind": "kind 1"})
    tries = checked[:: len(clean.schema.relations)]
    assert len(tries) > 3
    assert tries[0] == 1_000
    assert tries == sorted(tries, reverse=True)
    assert tries[-1] < 300
    assert all(violations(rows, one, clean.schema) == 0 for one in clean.schema.relations)


def test_decided_columns_are_listed_and_can_be_left_out() -> None:
    table = pa.table({name: pa.array(values) for name, values in coded().items()})
    found = clean_described(table)
    own = found.document["schema"]["x-simulacra"]
    assert {"kind": "decided", "column": "code", "of": ["region", "kind"]} in own["relations"]
    assert clean_described(table, parse_description(found.document)).document == found.document
    own["relations"] = [one for one in own["relations"] if one["column"] == "tariff"]
    kept = clean_described(table, parse_description(found.document)).clean.schema.relations
    assert [one.column for one in kept] == ["tariff"]


@pytest.mark.parametrize("order", [["region", "kind", "code"], ["code", "kind", "region"]])
def test_decided_columns_follow_in_rows_conditions_do_and_pairs(order: list[str]) -> None:
    clean = cleaned(coded())
    names = [*order, "tariff", "answer", "vote"]
    forest = FOREST.fit(
        clean.table, clean.schema, names, seed=0, options={}, progress=lambda _: None
    )
    model = with_relations(forest, clean.schema)
    rng = np.random.default_rng(1)
    rows = model.sample(2_000, rng)
    given = clean.table.select(["vote", "code"]).slice(0, 500)
    fixed = model.first(["vote", "code"]).sample(500, rng, given=given)
    assert fixed.column("code").equals(given.column("code"))
    moved = model.sample(2_000, rng, do={"region": "region 2"})
    twins = model.counterfactual(rows, {"kind": "kind 1"}, rng)
    for table in (rows, fixed, moved, twins):
        for relation in clean.schema.relations:
            assert violations(table, relation, clean.schema) == 0
    assert set(moved.column("region").to_pylist()) == {"region 2"}
    kinds = np.unique(moved.column("kind").to_pylist(), return_counts=True)[1]
    assert kinds.min() > 350
    set_free = model.sample(500, rng, do={"code": "C05"})
    assert set(set_free.column("code").to_pylist()) == {"C05"}
    told = counted(set_free, clean.schema, {"code": "C05"})
    assert [one["relation"] for one in told] == ["tariff is decided by region and kind"]


def test_one_row_that_differs_ends_a_relation() -> None:
    columns = survey()
    columns["total"][3] += 1
    columns["end"][5] = columns["start"][5] - np.timedelta64(1, "D")
    found = sentences(cleaned(columns).schema)
    assert not any(text.startswith(("total", "start")) for text in found)


def test_independent_columns_have_no_relations() -> None:
    rng = np.random.default_rng(0)
    columns = {f"x{k}": rng.integers(0, 40, 300) for k in range(12)}
    columns |= {f"y{k}": np.round(rng.normal(size=300), 1) for k in range(12)}
    assert cleaned(columns).schema.relations == []


@pytest.mark.parametrize("as_zero", [False, True])
def test_missing_parts_of_a_total(as_zero: bool) -> None:
    columns = {name: values.astype(float) for name, values in survey().items() if name in ITEMS}
    rng = np.random.default_rng(5)
    parts = np.stack(list(columns.values()))
    parts[rng.random(parts.shape) < 0.1] = np.nan
    parts[:, :7] = np.nan
    total = np.nansum(parts, axis=0) if as_zero else parts.sum(axis=0)
    total[:7] = np.nan
    columns = dict(zip(ITEMS, parts, strict=True)) | {"total": total}
    clean = cleaned(columns)
    (relation,) = clean.schema.computed()
    assert relation.missing_as_zero is as_zero
    real = clean.table["total"].to_pylist()
    assert computed_values(clean.table, relation, clean.schema).to_pylist() == real


def test_scattered_parts_with_signs_and_a_constant() -> None:
    columns = survey()
    kept = {name: columns[name] for name in (*ITEMS, "price", "quantity", "cost")}
    kept["score"] = 6 + columns["item_1"] + columns["item_4"] - columns["item_7"]
    clean = cleaned(kept)
    (relation,) = clean.schema.relations
    assert sentence(relation) == "score = 6 + item_1 + item_4 - item_7"
    assert computed_values(clean.table, relation, clean.schema).to_pylist() == list(kept["score"])


def test_several_sums_of_one_table_are_found() -> None:
    rng = np.random.default_rng(6)
    shares = rng.multinomial(20, [0.4, 0.3, 0.2, 0.1], ROWS) * 5
    ranks = np.stack([rng.permutation(4) + 1 for _ in range(ROWS)])
    columns = {f"share_{k}": column for k, column in enumerate(shares.T)}
    columns |= {f"rank_{k}": column for k, column in enumerate(ranks.T)}
    assert sentences(cleaned(columns).schema) == {
        "share_0 = 100 - share_1 - share_2 - share_3",  # least near zero, so least often redrawn
        "rank_3 = 10 - rank_0 - rank_1 - rank_2",
        "no two of rank_0, rank_1, rank_2, rank_3 are alike",
    }


def test_three_shares_of_100_beside_words_are_found() -> None:
    rng = np.random.default_rng(2)
    shares = rng.multinomial(100, [0.5, 0.3, 0.2], ROWS).T
    columns = {f"share_{k}": column for k, column in enumerate(shares)}
    columns["sex"] = rng.choice(["f", "m"], ROWS)
    assert sentences(cleaned(columns).schema) == {"share_0 = 100 - share_1 - share_2"}


def test_what_others_leave_of_100_is_not_below_zero() -> None:
    parts = np.floor(100 * np.random.default_rng(0).dirichlet([2, 2, 2, 1], 320)[:, :3]).astype(int)
    columns = {f"part_{k}": part for k, part in enumerate(parts.T)}
    clean = cleaned(columns | {"rest": 100 - parts.sum(axis=1)})
    assert len(clean.schema.computed()) == 1
    learned = without_computed(clean.schema)
    names = [column.name for column in learned.learned()]
    forest = FOREST.fit(clean.table, learned, names, seed=0, options={}, progress=lambda _: None)
    model = with_relations(forest, clean.schema, clean.table)
    rows = model.sample(5_000, np.random.default_rng(0)).to_pandas()
    assert (rows >= 0).all(axis=None)
    assert (rows.sum(axis=1) == 100).all()


def test_a_product_of_few_quantities_and_prices_is_found() -> None:
    rng = np.random.default_rng(7)
    quantity = rng.integers(1, 5, ROWS)
    price = rng.choice([4.99, 9.99, 19.9, 49.0], ROWS)
    switch = rng.integers(0, 2, ROWS)
    columns = {"quantity": quantity, "price": price, "total": np.round(quantity * price, 2)}
    amount = rng.integers(1, 8, ROWS)
    columns |= {"switch": switch, "amount": amount, "chosen": switch * amount}
    clean = cleaned(columns)
    assert {sentence(one) for one in clean.schema.computed() if not one.implied} == {
        "total = quantity × price"
    }


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    decimals=st.integers(0, 3),
    kind=st.sampled_from(["sum", "product", "ratio"]),
)
def test_a_rounded_result_of_two_columns_is_found(seed: int, decimals: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    a = np.round(rng.gamma(3, 40, 200) + 1, 2)
    b = np.round(rng.gamma(3, 4, 200) + 1, 1)
    exact = {"sum": a + b, "product": a * b, "ratio": a / b}[kind]
    columns = {"a": a, "b": b, "c": np.round(exact, decimals), "d": rng.normal(size=200)}
    (relation,) = cleaned(columns).schema.computed()
    assert (relation.column, set(relation.of)) == ("c", {"a", "b"})


@pytest.mark.parametrize(
    ("computed", "formula"),
    [
        (lambda a: np.log(a), "log(a)"),
        (lambda a: np.log(a).astype(np.float32).astype(np.float64), "log(a)"),
        (lambda a: np.round(np.log1p(a), 3), "log(1 + a)"),
        (lambda a: np.log10(a), "log10(a)"),
        (lambda a: a**2, "a squared"),
        (lambda a: np.sqrt(a), "root of a"),
    ],
)
def test_a_logarithm_a_square_or_a_root_is_found_and_kept(
    computed: Callable[[np.ndarray], np.ndarray], formula: str
) -> None:
    rng = np.random.default_rng(3)
    a = rng.integers(1, 60, 400)
    columns = {"a": a, "b": computed(a), "c": np.round(a + rng.normal(size=400), 1)}
    clean = cleaned(columns)
    (relation,) = clean.schema.computed()
    assert sentence(relation) == f"b = {formula}"
    assert violations(clean.table, relation, clean.schema) == 0
    again = computed_values(clean.table, relation, clean.schema).to_numpy()
    assert set(again) == set(columns["b"])  # the same digits: nobody can tell them from real ones


def test_the_part_of_a_hundred_that_is_least_near_zero_is_the_rest() -> None:
    rng = np.random.default_rng(5)
    shares = np.floor(rng.dirichlet([4, 3, 1, 0.6], 500) * 20) * 5
    shares[:, 0] += 100 - shares.sum(axis=1)
    columns = {name: shares[:, k].astype(np.int64) for k, name in enumerate("abcd")}
    (relation,) = cleaned(columns | {"age": rng.integers(18, 80, 500)}).schema.computed()
    assert sentence(relation) == "a = 100 - b - c - d"  # d is 0 in most rows, and the last column


def test_a_constant_sum_of_losses_is_found() -> None:
    rng = np.random.default_rng(8)
    a, b = (-rng.integers(20, 60, 300) for _ in range(2))
    columns = {"a": a, "b": b, "c": -200 - a - b, "age": rng.integers(18, 80, 300)}
    (relation,) = cleaned(columns).schema.computed()
    assert sentence(relation) == "c = -200 - a - b"


def test_what_is_no_logarithm_in_one_row_is_learned() -> None:
    rng = np.random.default_rng(4)
    a = rng.integers(1, 60, 400)
    columns = {"a": a, "b": np.log(a), "c": (a - 30.0) ** 2, "d": np.where(a > 58, 0, a**2)}
    columns["b"][7] += 0.1
    assert cleaned(columns).schema.computed() == []


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"conditions": {"numeric": {"total": {"min": 30, "max": 40}}}},
        {"conditions": {"numeric": {"price": {"min": 5, "max": 6}, "part": {"min": 50}}}},
        {"conditions": {"numeric": {"percent": {"min": 95}, "price": {"min": 5, "max": 5.5}}}},
        {"conditions": {"categorical": {"city": {"Ulm": 0.9}}}},
        {"interventions": {"price": 10.0, "part": 59}},
        {"interventions": {"price": 10.0, "item_1": 5}, "counterfactual": True},
    ],
)
def test_generated_rows_keep_every_relation(
    trained: TrainedModel, request_: dict[str, object]
) -> None:
    rows, failing = broken(trained, **request_)
    assert failing == {}
    names = [column.name for column in trained.schema.columns]
    assert rows.column_names[-len(names) - 1 :] == [*names, "evidence_weight"]
    conditions = request_.get("conditions")
    if conditions and "total" in conditions.get("numeric", {}):  # type: ignore[attr-defined]
        assert min(rows["total"].to_pylist()) >= 30


def test_a_computed_column_cannot_be_set(trained: TrainedModel) -> None:
    with pytest.raises(InputError) as raised:
        broken(trained, interventions={"revenue": 50.0})
    assert 'set one of these: "price", "quantity"' in str(raised.value.detail)


def test_relations_survive_saving(trained: TrainedModel, tmp_path: Path) -> None:
    save_model(trained, tmp_path)
    rows, failing = broken(load_model(tmp_path), seed=3)
    assert failing == {}
    assert rows.equals(broken(trained, seed=3)[0])


def test_graph_and_report_know_the_relations(trained: TrainedModel) -> None:
    assert trained.graph.parents("revenue") == [
        name for name in trained.graph.order if name in ("price", "quantity")
    ]
    assert "profit" in trained.graph.descendants("price")
    assert {one["violations"] for one in trained.report["relations"]} == {0}
    assert len(trained.report["relations"]) == len(trained.schema.relations)


def test_relations_do_not_hold_by_promise_under_differential_privacy() -> None:
    pytest.importorskip("opendp")
    clean = cleaned(survey(300))
    request = FitRequest.model_validate({"family": "forest", "privacy": {"epsilon": 5.0}})
    private = fit_model(clean.table, clean.schema, request)
    assert private.schema.relations == []
    assert set(private.model.columns) == {column.name for column in clean.schema.learned()}


def test_a_bound_that_an_intervention_breaks_moves_the_other_column() -> None:
    bound = RelationSchema(kind="not_above", column="start", of=["end"])
    rng = np.random.default_rng(2)
    start = rng.integers(0, 50, ROWS)
    clean = cleaned(
        {"start": start, "end": start + rng.integers(0, 9, ROWS), "x": rng.random(ROWS)}
    )
    assert bound in clean.schema.relations
    request = FitRequest(family="forest")
    fitted = fit_model(clean.table, clean.schema, request)
    rows, failing = broken(fitted, interventions={"start": 57})
    assert failing == {}
    assert min(rows["end"].to_pylist()) >= 57


@pytest.mark.parametrize(("order", "expected"), [(["high", "low"], 2), (["low", "high"], 4)])
def test_a_whole_number_beyond_a_fractional_bound_moves_inside_it(
    order: list[str], expected: int
) -> None:
    bound = RelationSchema(kind="not_above", column="low", of=["high"])
    values = {"low": 3, "high": 2.4} if order[-1] == "low" else {"low": 3.2, "high": 1}
    rows = pa.table({name: [values[name]] for name in order})
    moved = relations_model._moved_inside(rows, bound, set(), order)
    assert moved.column(order[-1]).to_pylist() == [expected]


def test_draws_beyond_a_bound_lie_on_it_where_real_rows_do() -> None:
    rng = np.random.default_rng(5)
    charge = np.round(rng.uniform(20, 90, ROWS), 2)
    months = np.where(rng.random(ROWS) < 0.25, 1, rng.integers(2, 50, ROWS))
    total = np.round(charge * (1 + (months - 1) * rng.uniform(0.9, 1.1, ROWS)), 2)
    plan = np.where(rng.random(ROWS) < months / 50, "yearly", "monthly")
    size = np.where(total > 50, "large", "small")
    clean = cleaned({"charge": charge, "total": total, "size": size, "plan": plan})
    names = ["charge", "total", "size", "plan"]
    forest = FOREST.fit(
        clean.table, clean.schema, names, seed=0, options={}, progress=lambda _: None
    )
    drawn_again, on_bound = (
        with_relations(forest, clean.schema, table) for table in (None, clean.table)
    )
    on_bound = on_bound.first(names)
    without, rows = (
        model.sample(4_000, np.random.default_rng(1)) for model in (drawn_again, on_bound)
    )
    held = on_bound.sample(500, np.random.default_rng(2), do={"total": 70.0})
    bounds = [one for one in clean.schema.relations if one.kind == "not_above"]
    assert [(one.column, one.of) for one in bounds] == [("charge", ["total"])]
    assert all(violations(table, bounds[0], clean.schema) == 0 for table in (rows, held))
    assert set(held.column("total").to_pylist()) == {70.0}

    def equal(table: pa.Table) -> float:
        return float(np.mean(table.column("charge").to_numpy() == table.column("total").to_numpy()))

    def away(table: pa.Table) -> float:
        return abs(table.column("plan").to_pylist().count("yearly") / table.num_rows - yearly)

    yearly = float(np.mean(plan == "yearly"))
    assert equal(without) < 0.01
    assert 0.05 < equal(rows) < 1.1 * equal(clean.table)
    assert away(rows) < away(without)
    # What comes after the total follows the bound, not the draw beyond it.
    charged, billed = (rows.column(name).to_numpy() for name in ("charge", "total"))
    is_large = np.array(rows.column("size").to_pylist()) == "large"
    assert (is_large != (billed > 50))[charged == billed].mean() < 0.1

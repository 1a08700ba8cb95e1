"""Rules of a description hold in every generated row, and the upload's violations are counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_schema.description import parse_description
from simulacra_schema.rules import Rule
from simulacra_schema.table import TableSchema
from simulacra_trainer.cleaning.described import clean_described
from simulacra_trainer.in_process import fit_table
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.rules.check import any_broken, broken, repeated
from simulacra_trainer.rules.settle import settled
from simulacra_trainer.trained_model import TrainedModel, load_model, save_model

ROWS = 700
RULES: dict[str, dict[str, Any]] = {
    "bound": {"compare": ["education", "<=", "age"], "plus": 6},
    "strict": {"compare": ["age", ">", "education"]},
    "dates": {"compare": ["start", "<=", "end"], "plus": 2},
    "if-then": {"if": {"employed": "no"}, "then": {"hours": None}},
    "range": {"then": {"age": {"min": 21}}},
    "sum": {"sum": ["food", "rent"], "equals": "spent"},
    "number": {"sum": ["part_a", "part_b", "part_c"], "equals": 100},
    "upload": {"allowed": ["country", "city"]},
    "listed": {
        "allowed": ["country", "city"],
        "combinations": [["DE", "Bonn"], ["DE", "Ulm"], ["AT", "Graz"]],
    },
    "never": {"forbidden": {"age": {"min": 70}, "employed": "yes"}},
    "unique": {"unique": ["block", "line"]},
    "multiple": {"multiple": "price", "of": 0.25},
}


def survey(rows: int = ROWS, seed: int = 0) -> pa.Table:
    """Return answers of which some break each rule."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 85, rows)
    employed = rng.choice(["yes", "no"], rows, p=[0.6, 0.4])
    hours = np.where(employed == "yes", rng.integers(4, 60, rows), np.nan)
    hours[:40] = 20.0
    country = rng.choice(["DE", "AT", "CH"], rows)
    cities = {"DE": ["Bonn", "Ulm"], "AT": ["Graz", "Wels"], "CH": ["Bern", "Genf"]}
    food, rent = np.round(rng.gamma(3, 50, rows), 2), np.round(rng.gamma(4, 100, rows), 2)
    parts = rng.multinomial(100, [0.5, 0.3, 0.2], rows)
    start = np.datetime64("2024-01-01") + rng.integers(0, 200, rows)
    return pa.table(
        {
            "age": age,
            "education": np.minimum(rng.integers(8, 21, rows), age - 5 - rng.integers(0, 2, rows)),
            "employed": employed,
            "hours": pa.array(hours, from_pandas=True),
            "food": food,
            "rent": rent,
            "spent": np.round(food + rent + np.where(np.arange(rows) < 30, 5, 0), 2),
            "part_a": parts[:, 0],
            "part_b": parts[:, 1],
            "part_c": parts[:, 2],
            "start": start,
            "end": start + rng.integers(0, 40, rows),
            "country": country,
            "city": [cities[c][i] for c, i in zip(country, rng.integers(0, 2, rows), strict=True)],
            "price": np.round(rng.integers(4, 90, rows) * 0.25 + 0.1 * (rng.random(rows) < 0.1), 2),
            "block": rng.integers(0, 400, rows),
            "line": rng.integers(1, 9, rows),
        }
    )


def description(*rules: dict[str, Any]) -> Any:
    return parse_description({"fields": [], "x-simulacra": {"rules": list(rules)}})


def fitted(*rules: dict[str, Any], **options: Any) -> TrainedModel:
    return fit_table(survey(), FitRequest(**options), description(*rules))


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    """A model of all rules at once."""
    return fitted(*(rule for name, rule in RULES.items() if name != "listed"))


def drawn(trained: TrainedModel, rows: int = 3_000, **request: Any) -> pa.Table:
    asked = GenerateRequest(row_count=rows, **request)
    made = generate_rows(trained, plan_generation(trained, asked))
    return pa.concat_tables(made).unify_dictionaries().combine_chunks()


def broken_rules(rows: pa.Table, schema: TableSchema) -> dict[str, int]:
    """Return how many rows of the output break each rule, if any do."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_date(field.type):
            moments = rows.column(place).cast(pa.timestamp("us"))
            rows = rows.set_column(place, field.name, moments)
        elif pa.types.is_string(field.type):
            rows = rows.set_column(place, field.name, rows.column(place).dictionary_encode())
    counts = {one.rule.words(): int(broken(rows, one.rule).sum()) for one in schema.rules}
    return {words: count for words, count in counts.items() if count}


REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "shares": {"conditions": {"categorical": {"employed": {"no": 0.8}, "country": {"CH": 0.6}}}},
    "range": {"conditions": {"numeric": {"age": {"min": 22, "max": 26}}}},
    "computed": {"conditions": {"numeric": {"spent": {"min": 300, "max": 400}}}},
    "dates": {"conditions": {"numeric": {"start": {"earliest": "2024-03-01"}}}},
    "quota": {
        "conditions": {
            "quotas": [{"where": {"age": {"max": 30}, "employed": "no"}, "share": 0.4}],
        }
    },
    "do": {"interventions": {"education": 20}},
    "do level": {"interventions": {"employed": "no"}},
    "do and share": {
        "interventions": {"education": 18},
        "conditions": {"categorical": {"country": {"AT": 0.7}}},
    },
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS.keys())
def test_all_rules_hold_together_in_every_row(
    trained: TrainedModel, request_: dict[str, Any]
) -> None:
    rows = drawn(trained, rows=1_200, **request_)
    assert rows.num_rows == 1_200
    assert broken_rules(rows, trained.schema) == {}


def test_conditions_are_met_beside_rules(trained: TrainedModel) -> None:
    rows = drawn(trained, rows=1_000, **REQUESTS["shares"]).to_pandas()
    assert (rows.employed == "no").sum() == 800
    assert (rows.country == "CH").sum() == 600
    aged = drawn(trained, rows=1_000, **REQUESTS["range"]).to_pandas().age
    assert aged.between(22, 26).all()
    assert (drawn(trained, rows=500, **REQUESTS["do"]).to_pandas().education == 20).all()


def test_violations_of_the_upload_are_counted_before_learning() -> None:
    """The counts have a noise of about one person; fewer than five rows are not told."""
    clean = clean_described(survey(), description(*RULES.values())).clean
    table = survey().to_pandas()
    counts = dict(zip(RULES, (one.violations for one in clean.schema.rules), strict=True))
    assert counts["strict"] == counts["upload"] == counts["number"] == 0
    assert abs(counts["bound"] - (table.education + 6 > table.age).sum()) < 12
    expected = ((table.employed == "no") & table.hours.notna()).sum()
    assert abs(counts["if-then"] - expected) < 12
    assert abs(counts["sum"] - 30) < 12
    assert abs(counts["never"] - ((table.age >= 70) & (table.employed == "yes")).sum()) < 12
    document = clean_described(survey(), description(RULES["never"])).document
    said = document["schema"]["x-simulacra"]["evidence"]["rules/0"]
    assert "rows of the upload break it" in said


def test_rows_are_unique_across_chunks_and_shards(trained: TrainedModel) -> None:
    plan = plan_generation(trained, GenerateRequest(row_count=2_500))
    parts = [pa.concat_tables(generate_rows(trained, plan, shard, 3)) for shard in range(3)]
    rows = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
    assert rows.num_rows == 2_500
    assert not repeated(rows, ["block", "line"]).any()


def test_more_unique_rows_than_there_are_are_refused(trained: TrainedModel) -> None:
    with pytest.raises(InputError, match="different rows") as refused:
        plan_generation(trained, GenerateRequest(row_count=20_000))
    assert "block, line" in refused.value.detail
    assert "block" not in refused.value.message
    assert refused.value.pointer == "/row_count"


@pytest.mark.parametrize(
    ("request_", "rule", "named"),
    [
        (
            {
                "interventions": {"employed": "no"},
                "conditions": {"numeric": {"hours": {"min": 1, "max": 10}}},
            },
            'if employed "no" then hours missing',
            "hours",
        ),
        (
            {"interventions": {"age": 75, "employed": "yes"}},
            'never age at least 70 and employed "yes"',
            "employed",
        ),
        (
            {
                "conditions": {
                    "quotas": [{"where": {"age": {"min": 72}, "employed": "yes"}, "share": 0.2}]
                }
            },
            'never age at least 70 and employed "yes"',
            "employed",
        ),
        ({"conditions": {"numeric": {"age": {"max": 20}}}}, "age at least 21", "age"),
    ],
)
def test_what_contradicts_a_rule_is_refused_and_named(
    trained: TrainedModel, request_: dict[str, Any], rule: str, named: str
) -> None:
    with pytest.raises(InputError) as refused:
        drawn(trained, rows=300, **request_)
    assert rule in refused.value.detail
    assert named in refused.value.detail
    assert named not in refused.value.message


def test_rules_hold_in_both_rows_of_twins() -> None:
    trained = fitted(*(rule for name, rule in RULES.items() if name not in ("unique", "listed")))
    for do in ({"age": 66}, {"education": 16}):
        rows = drawn(trained, rows=600, counterfactual=True, interventions=do)
        assert broken_rules(rows, trained.schema) == {}


def test_unique_rows_have_no_twins(trained: TrainedModel) -> None:
    request = GenerateRequest(row_count=20, counterfactual=True, interventions={"age": 66})
    with pytest.raises(InputError, match="unique") as refused:
        plan_generation(trained, request)
    assert refused.value.pointer == "/counterfactual"


@pytest.mark.neural
def test_rules_hold_in_the_neural_family(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a short training: the rules hold in the rows of any weights."""
    training = pytest.importorskip("simulacra_trainer.families.neural.training")
    monkeypatch.setattr(training, "BUDGET_S", 1.5)
    monkeypatch.setattr(training, "MIN_BUDGET_S", 0.5)
    rules = [RULES[one] for one in ("bound", "if-then", "sum", "listed")]
    names = {name for rule in rules for name in Rule.model_validate(rule).columns()}
    table = survey(300).select(sorted(names))
    trained = fit_table(table, FitRequest(family="neural"), description(*rules))
    assert broken_rules(drawn(trained, rows=800), trained.schema) == {}
    under = drawn(trained, rows=800, interventions={"education": 18})
    assert broken_rules(under, trained.schema) == {}


def test_stated_rules_hold_under_differential_privacy() -> None:
    pytest.importorskip("opendp")
    rules = [RULES[one] for one in ("bound", "if-then", "sum", "number", "listed", "never")]
    trained = fitted(*rules, privacy={"epsilon": 3.0})
    assert broken_rules(drawn(trained, rows=800), trained.schema) == {}
    assert [one.kind for one in trained.schema.relations] == ["linear", "linear"]


def test_combinations_of_the_upload_are_refused_under_differential_privacy() -> None:
    with pytest.raises(InputError, match="List them") as refused:
        fitted(RULES["upload"], privacy={"epsilon": 3.0})
    assert refused.value.pointer == "/epsilon"


def test_a_saved_model_keeps_its_rules(trained: TrainedModel, tmp_path: Path) -> None:
    save_model(trained, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.schema.rules == trained.schema.rules
    assert drawn(loaded, rows=500).equals(drawn(trained, rows=500))


def test_rules_hold_in_linked_rows() -> None:
    """Between an attribute of the person and an answer of each row, and between answers."""
    rng = np.random.default_rng(2)
    people = np.repeat(np.arange(120), 5)
    age = np.repeat(rng.integers(20, 70, 120), 5)
    table = pa.table(
        {
            "person": people,
            "wave": np.tile(np.arange(1, 6), 120),
            "age": age,
            "years": np.minimum(rng.integers(5, 50, 600), age - 10),
            "paid": (paid := rng.choice(["yes", "no"], 600)),
            "wage": pa.array(
                np.where(paid == "yes", rng.integers(500, 4000, 600), np.nan), from_pandas=True
            ),
        }
    )
    rules = [
        {"compare": ["years", "<=", "age"], "plus": 12},
        {"if": {"paid": "no"}, "then": {"wage": None}},
        {"if": {"paid": "yes"}, "then": {"wage": {"min": 600}}},
    ]
    stated = {"fields": [], "x-simulacra": {"rules": rules, "subject": "person", "order": "wave"}}
    trained = fit_table(table, FitRequest(), parse_description(stated))
    assert broken_rules(drawn(trained, rows=600), trained.schema) == {}
    for request in ({}, {"conditions": {"numeric": {"age": {"min": 20, "max": 30}}}}):
        rows = drawn(trained, rows=0, persons=150, **request)
        assert broken_rules(rows, trained.schema) == {}


def test_a_gap_breaks_no_rule_that_does_not_ask_for_it() -> None:
    table = pa.table({"a": [1.0, None, 9.0], "b": [None, 5.0, 5.0]})
    rules = [
        ({"then": {"a": {"max": 3}}}, [False, False, True]),
        ({"if": {"b": {"min": 4}}, "then": {"a": {"max": 3}}}, [False, False, True]),
        ({"then": {"a": {"missing": False}}}, [False, True, False]),
        ({"compare": ["a", "<=", "b"]}, [False, False, True]),
        ({"sum": ["a", "b"], "equals": 3}, [False, False, True]),
        ({"forbidden": {"a": None, "b": {"min": 1}}}, [False, True, False]),
        ({"multiple": "a", "of": 2}, [True, False, True]),
        ({"unique": ["b"]}, [False, False, True]),
    ]
    for rule, expected in rules:
        assert broken(table, Rule.model_validate(rule)).tolist() == expected


cells = st.sampled_from(
    [
        {"age": {"min": 40}},
        {"age": {"max": 35}},
        {"employed": {"levels": ["yes"]}},
        {"hours": {"missing": True}},
        {"hours": {"missing": False}},
        {"country": {"levels": ["DE", "AT"]}},
        {"city": {"levels": ["Graz"]}},
        {"education": {"min": 10, "max": 14}},
    ]
)
numbers = st.sampled_from(["age", "education", "hours", "part_a", "part_b", "line"])
rules = st.one_of(
    st.builds(lambda a, b: Rule.model_validate({"if": a, "then": b}), cells, cells),
    st.builds(lambda a: Rule.model_validate({"forbidden": a}), cells),
    st.builds(lambda a: Rule.model_validate({"then": a}), cells),
    st.builds(
        lambda pair, sign, plus: Rule.model_validate(
            {"compare": [pair[0], sign, pair[1]], "plus": plus}
        ),
        st.lists(numbers, min_size=2, max_size=2, unique=True),
        st.sampled_from(["<=", "<", ">=", ">"]),
        st.integers(-20, 20),
    ),
    st.builds(
        lambda name, step: Rule(multiple=name, of=step), numbers, st.sampled_from([2.0, 3.0, 5.0])
    ),
)
CLEAN = clean_described(survey()).clean


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rule=rules, fixed=st.sets(st.sampled_from(["age", "employed", "city"])))
def test_a_moved_row_holds_its_rule_or_is_as_it_was(rule: Rule, fixed: set[str]) -> None:
    """Fixed columns never move, values stay in range, and no row that held the rule is touched."""
    table, schema = CLEAN.table, CLEAN.schema
    moved = settled(table, [rule], schema, fixed)
    before, after = any_broken(table, [rule]), any_broken(moved, [rule])
    assert not (after & ~before).any()
    for name in fixed:
        assert moved.column(name).equals(table.column(name))
    held = pa.array(~before)
    assert moved.filter(held).equals(table.filter(held))
    if not fixed and "part_a" not in rule.columns() and "line" not in rule.columns():
        assert after.sum() <= before.sum()
    for column in schema.columns:
        if column.is_numeric and column.name in rule.columns():
            values = moved.column(column.name).to_pandas().dropna()
            assert values.between(column.minimum, column.maximum).all()


@pytest.mark.parametrize("is_top", [True, False])
def test_a_number_leaves_a_forbidden_range_at_an_end_of_its_own(is_top: bool) -> None:
    """The nearest value outside may be one that the column does not have."""
    low, high = CLEAN.schema.column("age").minimum, CLEAN.schema.column("age").maximum
    assert low is not None
    assert high is not None
    ends = {"min": high - 9, "max": high} if is_top else {"min": low, "max": low + 9}
    rule = Rule.model_validate({"forbidden": {"age": ends}})
    assert any_broken(CLEAN.table, [rule]).any()
    moved = settled(CLEAN.table, [rule], CLEAN.schema, set())
    assert not any_broken(moved, [rule]).any()


def test_a_table_without_rules_has_none_in_its_schema() -> None:
    document = CLEAN.schema.model_dump(mode="json", by_alias=True)
    assert "rules" not in document
    assert (
        "rules" in clean_described(survey(), description(RULES["bound"])).clean.schema.model_dump()
    )


def test_a_completed_description_sent_back_changes_nothing() -> None:
    first = clean_described(survey(), description(*RULES.values()))
    again = clean_described(survey(), parse_description(first.document))
    parts = [one.document["schema"]["x-simulacra"] for one in (first, again)]
    assert [part["rules"] for part in parts] == [parts[0]["rules"]] * 2
    assert [one.rule for one in first.clean.schema.rules] == [
        one.rule for one in again.clean.schema.rules
    ]
    assert parts[0]["rules"][0]["text"] == "education + 6 ≤ age"


@pytest.mark.parametrize(
    ("rule", "pointer", "detail"),
    [
        ({"compare": ["educaton", "<=", "age"]}, "compare", 'Did you mean "education"?'),
        ({"compare": ["country", "<=", "age"]}, "compare", "Compare two numbers, or two dates."),
        ({"if": {"country": "DD"}, "then": {"age": {"min": 3}}}, "if/country", "no such level"),
        ({"forbidden": {"country": {"min": 3}}}, "forbidden/country", "give levels"),
        ({"then": {"start": {"min": 3}}}, "then/start", "earliest, latest"),
        ({"sum": ["age", "city"], "equals": 3}, "sum", "city: the column has no numbers"),
        (
            {"allowed": ["country", "city"], "combinations": [["DE", "Wien"]]},
            "combinations/0",
            "city: The column has no such level",
        ),
        ({"allowed": ["country", "food"]}, "allowed", "food: the column has no levels"),
    ],
)
def test_a_rule_against_the_data_is_an_error_with_its_pointer(
    rule: dict[str, Any], pointer: str, detail: str
) -> None:
    with pytest.raises(InputError) as refused:
        clean_described(survey(), description(rule))
    (error,) = refused.value.errors
    assert error.pointer == f"/x-simulacra/rules/0/{pointer}"
    assert detail in error.detail
    assert "country" not in refused.value.message


def test_a_stated_sum_stays_where_the_user_lists_no_relations() -> None:
    extension = {"rules": [RULES["sum"]], "relations": []}
    stated = parse_description({"fields": [], "x-simulacra": extension})
    described = clean_described(survey(), stated)
    assert [one.column for one in described.clean.schema.relations] == ["spent"]
    assert described.document["schema"]["x-simulacra"]["relations"] == []


def test_a_found_order_that_is_stated_is_listed_once_and_used() -> None:
    order = {"compare": ["start", "<=", "end"]}
    plain, stated = (clean_described(survey(), *one) for one in ((), (description(order),)))
    listed = [
        (one["kind"], one["column"]) for one in plain.document["schema"]["x-simulacra"]["relations"]
    ]
    assert ("not_above", "start") in listed
    kept = stated.document["schema"]["x-simulacra"]["relations"]
    assert [(one["kind"], one["column"]) for one in kept] == [
        one for one in listed if one != ("not_above", "start")
    ]
    assert stated.clean.schema.relations == plain.clean.schema.relations


def test_an_empty_triangle_and_levels_apart_are_proposed_and_not_used() -> None:
    extension = clean_described(survey()).document["schema"]["x-simulacra"]
    texts = [one["text"] for one in extension["proposals"]]
    assert "education + 5 ≤ age" in texts
    assert "rules" not in extension
    assert not any("part_a" in text and "line" in text for text in texts)


def test_what_is_stated_or_found_is_not_proposed() -> None:
    stated = clean_described(survey(), description(RULES["bound"])).document
    texts = [one["text"] for one in stated["schema"]["x-simulacra"].get("proposals", [])]
    assert not any("education" in text and "age" in text for text in texts)

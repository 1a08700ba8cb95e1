"""Faults of a request say where they are, without a name or a value of the customer."""

from __future__ import annotations

import pytest

from simulacra_crds.spec_path import brief, spec_path
from simulacra_schema import knowledge
from simulacra_schema.conditions import check_conditions
from simulacra_schema.questions.rows import ConditionSet
from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema

LEVELS = [LevelSchema(value=one, share=0.5) for one in ("gold", "basic")]
REQUEST = {
    "rowCount": 7,
    "conditions": {
        "categorical": {"age": {"x": 1}, "segment/a": {"gold": 0.7, "basic": 0.7}},
        "numeric": {"price": {"min": 3}},
    },
    "interventions": {"age": 1, "price": 2},
    "before": ["a", "b"],
    "dontKnow": ["c"],
    "levers": [{"column": "a"}, {"column": "b", "value": {"number": 1}}],
    "knowledge": {"tiers": [["a"], ["b", "c"]]},
}


@pytest.mark.parametrize(
    ("pointer", "path"),
    [
        ("/row_count", "spec.rowCount"),
        ("/conditions/categorical/segment~1a", "spec.conditions.categorical[1]"),
        ("/conditions/categorical/segment~1a/basic", "spec.conditions.categorical[1][1]"),
        ("/conditions/numeric/price", "spec.conditions.numeric[0]"),
        ("/conditions/numeric/price/min", "spec.conditions.numeric[0].min"),
        ("/interventions/price", "spec.interventions[1]"),
        ("/before/1", "spec.before[1]"),
        ("/dont_know/0", "spec.dontKnow[0]"),
        ("/levers/1/value", "spec.levers[1].value"),
        ("/tiers/1/0", "spec.knowledge.tiers[1][0]"),
        ("/conditions/categorical/another", "spec.conditions.categorical"),
        ("/another", "spec"),
    ],
)
def test_a_pointer_leads_to_a_path_without_names(pointer: str, path: str) -> None:
    assert spec_path(pointer, REQUEST) == path


def test_faults_of_conditions_are_told_without_names() -> None:
    columns = [ColumnSchema(name="segment", kind="categorical", storage="string", levels=LEVELS)]
    schema = TableSchema(rows=10, columns=columns)
    for shares, told in (
        ({"gold": 0.7, "basic": 0.7}, "sum above 1"),
        ({"platinum": 0.1}, "no such level"),
        ({"gold": 0.2, "basic": 0.2}, "shares of all levels sum below 1"),
    ):
        (error,) = check_conditions(ConditionSet(categorical={"segment": shares}), schema)
        assert brief(error.detail) == told
    (error,) = check_conditions(ConditionSet(categorical={"sgment": {"gold": 1}}), schema)
    assert brief(error.detail) == "no such column"


@pytest.mark.parametrize("fault", ["TWICE", "SELF", "NOT_LEARNED", "SEVERAL", "BOTH", "CYCLE"])
def test_faults_of_stated_edges_say_what_is_wrong(fault: str) -> None:
    told = brief(getattr(knowledge, fault))
    assert told != brief("anything else")
    assert "TV" not in told

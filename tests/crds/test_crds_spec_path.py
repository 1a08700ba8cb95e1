"""Faults of a request say where they are, without a name or a value of the customer."""

from __future__ import annotations

import pytest

from simulacra_crds.spec_path import spec_path

REQUEST = {
    "rowCount": 7,
    "conditions": {
        "categorical": {"age": {"x": 1}, "segment/a": {"gold": 0.7, "basic": 0.7}},
        "numeric": {"price": {"min": 3}},
    },
    "interventions": {"age": 1, "price": 2},
    "before": ["a", "b"],
    "outcome": "d=e",
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
        ("/outcome_level", "spec.outcome"),
        ("/tiers/1/0", "spec.knowledge.tiers[1][0]"),
        ("/conditions/categorical/another", "spec.conditions.categorical"),
        ("/another", "spec"),
    ],
)
def test_a_pointer_leads_to_a_path_without_names(pointer: str, path: str) -> None:
    assert spec_path(pointer, REQUEST) == path

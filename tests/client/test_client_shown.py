"""What lists, prints and notebooks show of generations, schemas and rows."""

from __future__ import annotations

import pyarrow as pa

from simulacra.commands.lists import table_of
from simulacra.models import Generation, Schema
from simulacra.rows import Rows, generated


def test_generations_are_listed_with_what_was_asked() -> None:
    asked = {
        "conditions": {
            "categorical": {"mood": {"sad": 0.3}},
            "numeric": {"price": {"min": 5, "max": 6}, "age": {"min": 18}},
        },
        "interventions": {"price": 5.49},
        "counterfactual": True,
    }
    head = {"dataset_id": "ds-1", "status": "ready", "rows": 500}
    found = [
        Generation({"generation_id": "gen-1", **head, **asked}),
        Generation({"generation_id": "gen-2", **head}),  # an older service lists no conditions
    ]
    shown = {str(one.header): [*one.cells] for one in table_of(found, "generation", {}).columns}
    assert [str(cell) for cell in shown["asked"]] == [
        "mood sad 30 %, price 5 to 6, age from 18, do(price = 5.49), in pairs",
        "",
    ]


def test_few_real_rows_behind_conditions_are_said() -> None:
    attainment = {"conditions": [], "backing": 1.0}
    said = "Only about 1 real row is behind these conditions: the rows say little."
    assert [*generated(Generation(attainment=attainment))] == [f"{said} Widen the conditions."]
    assert not [*generated(Generation(attainment=attainment | {"backing": 50.0}))]
    (few,) = generated(Generation(attainment=attainment | {"backing": 12.2}))
    assert few.startswith("Only about 12 real rows are behind these conditions")
    assert not [*generated(Generation(attainment={"conditions": []}))]  # an older service


def test_schema_prints_in_a_few_lines() -> None:
    levels = [{"value": f"level {at}"} for at in range(60)]
    columns = [{"name": f"c{at}", "kind": "categorical", "levels": levels} for at in range(65)]
    lines = repr(Schema(rows=4323, columns=columns)).splitlines()
    assert lines[0] == "Schema of 4,323 rows and 65 columns"
    assert lines[-1] == "  and 45 more: listed() has all"
    assert len(lines) == 22
    assert max(map(len, lines)) == 100
    assert repr(Schema(rows=2, columns=[])) == "Schema of 2 rows and 0 columns"


def test_notebook_says_which_columns_it_leaves_out() -> None:
    wide = Rows(pa.table({f"c{at}": [1, 1] for at in range(12)}))
    assert "Below: the first 10 of 12 columns. `table` has all." in wide._repr_html_()
    assert "Below" not in Rows(pa.table({"c": [1, 1]}))._repr_html_()
    assert "Below" not in repr(wide)

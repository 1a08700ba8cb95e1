"""Checks of the lists of a causal question."""

from __future__ import annotations

import pytest

from simulacra_schema.faults import Wrong, no_column
from simulacra_schema.statements import (
    CONTROL,
    NOT_LEARNED,
    OUTCOME,
    TREATMENT,
    TWICE,
    check_statements,
)
from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema

SCHEMA = TableSchema(
    rows=9,
    columns=[
        *(
            ColumnSchema(name=name, kind="numeric", storage="double", minimum=0, maximum=1)
            for name in ("dose", "mood", "age", "a/b")
        ),
        ColumnSchema(
            name="region",
            kind="categorical",
            storage="string",
            levels=[LevelSchema(value="north", share=1)],
        ),
        ColumnSchema(name="id", kind="identifier", storage="string", learned=False),
    ],
)


@pytest.mark.parametrize(
    ("lists", "found"),
    [
        ({"before": ["age", "region"], "after": ["mood"], "negative_controls": ["a/b"]}, []),
        ({"dont_know": ["mood"]}, []),
        ({"before": ["age"], "after": ["a/b"], "negative_controls": ["age", "a/b"]}, []),
        (
            {"before": ["age"], "dont_know": ["a/b"], "negative_controls": ["age", "age", "a/b"]},
            [(("negative_controls", 1), TWICE), (("negative_controls", 2), TWICE)],
        ),
        ({"before": ["dose"]}, [(("before", 0), TREATMENT)]),
        ({"before": ["mood"]}, [(("before", 0), OUTCOME)]),
        ({"negative_controls": ["mood"]}, [(("negative_controls", 0), OUTCOME)]),
        ({"before": ["id"]}, [(("before", 0), NOT_LEARNED)]),
        ({"before": ["age", "age"]}, [(("before", 1), TWICE)]),
        ({"before": ["age"], "dont_know": ["region", "age"]}, [(("dont_know", 1), TWICE)]),
        ({"negative_controls": ["region"]}, [(("negative_controls", 0), CONTROL)]),
        (
            {"before": ["aeg"], "after": ["dose"]},
            [(("before", 0), no_column("aeg", SCHEMA)), (("after", 0), TREATMENT)],
        ),
    ],
)
def test_each_wrong_column_is_named_with_its_place(
    lists: dict[str, list[str]], found: list[tuple[tuple[str, int], Wrong]]
) -> None:
    errors = check_statements(lists, "dose", "mood", SCHEMA)
    assert [*errors] == [wrong.at(*place) for place, wrong in found]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Age", 'Did you mean "age"?'),
        ("regionn", 'Did you mean "region"?'),
        ("income", "See the dataset's schema for its columns."),
    ],
)
def test_unknown_column_gets_the_closest_name(name: str, hint: str) -> None:
    (error,) = check_statements({"before": [name]}, "dose", "mood", SCHEMA)
    assert error.detail.endswith(hint)

"""What the rows with one answer to a question are worth, for the report."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from simulacra_intake.rows_of_persons import persons_in
from simulacra_intake.survey_weights import Floats, row_weights
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_schema.worth import worth_of
from simulacra_trainer.evidence import drawn_apart, margin, two_digits, weighted_respondents
from simulacra_trainer.report.comparison.marginals import has_cell

SLICED = 4
"""Questions whose answers are slices, as the banners of printed tables."""


def slice_worth(
    worth: float,
    columns: Sequence[Mapping[str, Any]],
    table: pa.Table,
    schema: TableSchema,
    *,
    rows: float,
    ratio: float,
) -> list[dict[str, Any]]:
    """Return what the rows of single answers are worth: the first questions with few levels.

    A slice has its share of the worth, the smaller of the real and the generated share, and never
    more than its rows are worth for the respondents of the table who gave the answer: a condition
    adds no respondents, and neither do the weights of rows reweighted to it.

    columns: `marginals`, of rows that may be reweighted; ratio: share of the respondents that the
    model kept of dependences.
    """
    learned = {column.name: column for column in schema.learned()}
    questions = [
        one
        for one in columns
        if one["kind"] == "levels" and not one["others"] and one["column"] in learned
    ]
    found, apart = [], drawn_apart(table, schema)
    for one in questions[:SLICED]:
        for level, real, drawn in zip(one["cells"], one["real"], one["generated"], strict=True):
            people = _respondents(table, schema, learned[one["column"]], level)
            behind = two_digits(people / apart)
            of_slice = min(real * worth, drawn * worth, worth_of(behind, drawn * rows, ratio))
            found.append(
                {
                    "column": one["column"],
                    "level": level,
                    "real": real,
                    "generated": drawn,
                    "worth": of_slice,
                    "margin": margin(of_slice),
                }
            )
    return found


def _respondents(table: pa.Table, schema: TableSchema, column: ColumnSchema, cell: str) -> float:
    """Return the respondents of the table who gave an answer, by Kish's effective number."""
    inside = has_cell(table, column, cell)
    persons = persons_in(table, schema)
    weights = row_weights(table, schema)
    counts: Floats = inside.astype(float) if weights is None else weights * inside
    who = None if persons is None else persons[inside]
    return weighted_respondents(counts[inside], who)

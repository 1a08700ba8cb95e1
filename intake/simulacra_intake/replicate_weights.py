"""Replicate weights of a survey, as the user states them: they say how far shares are from truth.

They are neither learned nor generated, as weights are not. Each is scaled by the same factor as
the weight that it varies, so the clean table keeps them as they are.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.description.statements import Statement, Statements
from simulacra_schema.table import ColumnSchema, Replicates, TableSchema

Floats = npt.NDArray[np.float64]
LEAST = 10
"""Fewer replicates give a variance of fewer than nine degrees of freedom."""
NOTE = (
    "the first of {count} replicate weights: intervals follow from them; generated rows lack them"
)
_FEW = "{count} replicate weights are named; at least 10 are needed for a variance."
_NO_WEIGHT = 'Replicate weights vary a weight: state it too, as "weights" or by its role.'
_NO_NUMBER = "Replicate weights are numbers of 0 or more, without gaps, not all 0."
_EQUAL = "This column is the weight itself in every row, so it tells nothing; correct the pattern."


def stated_replicates(statements: Statements) -> Replicates | None:
    """Return how the replicate weights were made; None without."""
    design = statements.problems.description.extension.design
    if design is None or design.replicates is None or not _named(statements):
        return None
    return Replicates(method=design.replicates, fay=design.fay or 0.0)


def with_replicates(
    columns: Sequence[CleanColumn], statements: Statements
) -> Sequence[CleanColumn]:
    """Return the columns with the stated replicate weights, float64 and not learned.

    Problems go to the statements: fewer than 10, no weight, or a column that is none.
    """
    named, problems = _named(statements), statements.problems
    if not named:
        return columns
    first, *_ = named.values()
    if len(named) < LEAST:
        problems.add(first.at("role"), _FEW.format(count=len(named)))
    if statements.weights is None:
        problems.add(first.at("role"), _NO_WEIGHT)
    weight = next((c for c in columns if c.schema.name == statements.weights), None)
    whole = None if weight is None else _numbers(weight)
    result = list(columns)
    for place, column in enumerate(columns):
        name = column.schema.name
        if name not in named:
            continue
        numbers = _numbers(column)
        if numbers is None:
            problems.add(named[name].at("role"), _NO_NUMBER)
        elif whole is not None and np.array_equal(numbers, whole):
            problems.add(named[name].at("role"), _EQUAL)
        else:
            result[place] = _replicate(column.schema, numbers)
            if name == next(iter(named)):
                result[place].note(NOTE.format(count=len(named)))
    return result


def replicates_in(table: pa.Table, schema: TableSchema) -> Floats | None:
    """Return the replicate weights of a clean table, float64 [n, replicates]; None without."""
    names = [column.name for column in schema.replicate_weights()]
    if not names or not set(names) <= set(table.column_names):
        return None
    return np.stack([table.column(name).to_numpy().astype(np.float64) for name in names], axis=1)


def _named(statements: Statements) -> dict[str, Statement]:
    stated = statements.columns.items()
    return {name: one for name, one in stated if one.role == "replicate_weight"}


def _numbers(column: CleanColumn) -> Floats | None:
    """Return the numbers of a column, float64 [n], None if they are no weights."""
    if column.schema.kind not in ("integer", "numeric", "weight") or column.values is None:
        return None
    if column.values.null_count:
        return None
    numbers = column.values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return numbers if (numbers >= 0).all() and numbers.any() else None


def _replicate(schema: ColumnSchema, numbers: Floats) -> CleanColumn:
    column = ColumnSchema(
        name=schema.name,
        kind="identifier",
        learned=False,
        storage=schema.storage,
        role="replicate_weight",
        label=schema.label,
    )
    return CleanColumn(column, pa.array(numbers))

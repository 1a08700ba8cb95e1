"""The numeric columns of a clean table as a matrix, for the search of relations."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats
from simulacra_intake.rows_of_persons import persons_in
from simulacra_schema.table import ColumnSchema, TableSchema

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
GLANCE_ROWS = 40
"""A sample of this size is enough to reject nearly all candidates."""
MAX_COLUMNS = 300
MIN_DISTINCT = 8
MIN_SUMMED = 3
"""Different values of a sum: one of two values is a group of answers, see `groups`."""
SUMMED_BITS = 40.0
"""By chance a sum is a column of n rows with at most its largest share to the power of n: 1e-12."""
MIN_PERSONS = 50


@dataclass(frozen=True)
class Numbers:
    """Numeric columns in file order.

    Attributes:
        names: the columns.
        values: float64 [columns, rows], NaN for missing.
        steps: half a unit in the last place of each column, float64 [columns].
        varied: whether a column has at least MIN_DISTINCT values, bool [columns].
        can_be_sum: whether its rows rule out that a sum is it by chance, bool [columns].
        glance: rows of a sample, those with the most columns present first, at most GLANCE_ROWS.
    """

    names: tuple[str, ...]
    values: Floats
    steps: Floats
    varied: npt.NDArray[np.bool_]
    can_be_sum: npt.NDArray[np.bool_]
    glance: Rows

    def gives(self, computed: Floats, column: int) -> bool:
        """Return whether computed values [rows], rounded, are a column's, missing ones alike."""
        return bool(self.alike(computed, self.values[column], self.steps[column]).all())

    @staticmethod
    def alike(computed: Floats, real: Floats, step: Floats | float) -> npt.NDArray[np.bool_]:
        """Return where numbers agree up to rounding, or are both missing."""
        with np.errstate(invalid="ignore"):
            near = np.abs(computed - real) <= step * (1 + 1e-6) + 1e-9 * np.abs(real)
        return near | (np.isnan(computed) & np.isnan(real))


def numbers_of(table: pa.Table, schema: TableSchema) -> Numbers | None:
    """Return the numeric columns, None if there are too few columns or persons."""
    columns = [c for c in schema.learned() if c.kind in ("integer", "numeric")][:MAX_COLUMNS]
    persons = persons_in(table, schema)
    count = table.num_rows if persons is None else int(np.unique(persons).size)
    if len(columns) < 2 or count < MIN_PERSONS:
        return None
    values = np.stack([as_floats(table.column(c.name)) for c in columns])
    varied = np.array([_has_distinct(row) for row in values])
    can_be_sum = np.array([_can_be_sum(row) for row in values]) | varied
    steps = np.array([half_unit(c) for c in columns])
    names = tuple(c.name for c in columns)
    return Numbers(names, values, steps, varied, can_be_sum, _glance(values))


def half_unit(column: ColumnSchema) -> float:
    """Return half a unit in the last place in which a column's numbers are written."""
    decimals = 0 if column.kind == "integer" else column.decimals
    return 1e-9 if decimals is None else 0.5 * 10.0**-decimals


def spread_rows(rows: int, most: int) -> Rows:
    """Return the places of up to `most` evenly spaced rows, int64 [k]."""
    return np.linspace(0, rows - 1, min(rows, most)).astype(np.int64)


def _has_distinct(values: Floats) -> bool:
    known = values[~np.isnan(values)]
    return np.unique(known[:1000]).size >= MIN_DISTINCT or np.unique(known).size >= MIN_DISTINCT


def _can_be_sum(values: Floats) -> bool:
    _, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    if counts.size < MIN_SUMMED:
        return False
    return float(-counts.sum() * np.log2(counts.max() / counts.sum())) >= SUMMED_BITS


def _glance(values: Floats) -> Rows:
    rows = spread_rows(values.shape[1], 50 * GLANCE_ROWS)
    present = (~np.isnan(values[:, rows])).sum(axis=0)
    return rows[np.argsort(-present, kind="stable")[:GLANCE_ROWS]]

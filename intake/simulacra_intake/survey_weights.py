"""Survey weights: the number of people that each row of the table represents.

The weight column is in the clean table beside the learned columns, so every split and sample of
rows keeps it. methods-generation.md says how weights are used.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_schema.table import TableSchema

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def row_weights(table: pa.Table, schema: TableSchema) -> Floats | None:
    """Return the weights of a clean table, float64 [n] of mean 1; None without weights."""
    column = schema.weight()
    return None if column is None else weights_in(table, column.name)


def weights_in(table: pa.Table, name: str | None) -> Floats | None:
    """Return the weights in a column, scaled to mean 1; None if the table lacks the column.

    If all weights are zero, rows are weighted equally.
    """
    if name is None or name not in table.column_names:
        return None
    weights: Floats = table.column(name).to_numpy().astype(np.float64)
    total = weights.sum()
    return weights * (weights.size / total) if total > 0 else np.ones(weights.size)


def effective_rows(weights: Floats) -> float:
    """Return Kish's effective number of rows (Kish, 1965)."""
    return float(weights.sum() ** 2 / np.sum(weights**2))


def replicas(weights: Floats, n: int) -> Ints:
    """Return the copies of each row among n, in proportion to its weight, int64 [rows]; sum n.

    Systematic rounding along the rows: any run of neighbors has its share of n to within one.
    """
    ends = np.rint(np.cumsum(weights) * (n / weights.sum())).astype(np.int64)
    ends[-1] = n
    return np.diff(ends, prepend=0)


def draw_in_proportion(weights: Floats, n: int, rng: np.random.Generator) -> Ints:
    """Draw n rows with probability proportional to their weights, int64 [n], ascending.

    Systematic sampling of a random order (Madow, 1949): the count of a row is its expectation,
    rounded down or up.
    """
    order = rng.permutation(weights.size)
    ends = np.cumsum(weights[order]) * (n / weights.sum())
    drawn = np.searchsorted(ends, np.arange(n) + rng.random(), side="right")
    return np.sort(order[np.minimum(drawn, order.size - 1)])


def as_population(table: pa.Table, schema: TableSchema, rng: np.random.Generator) -> pa.Table:
    """Return an unweighted sample of the weighted population; without weights, the table itself.

    Its size is Kish's effective number of rows, which keeps the error rate of tests.
    """
    weights = row_weights(table, schema)
    if weights is None:
        return table
    return table.take(pa.array(draw_in_proportion(weights, round(effective_rows(weights)), rng)))

"""Differences of two numbers or two dates, such as the time from start to end of an interview.

Both columns may be as in the table and in the same tenths, and their difference is not: a minute
of an interview is nothing beside the weeks of its field work.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from simulacra_schema.table import ColumnSchema
from simulacra_trainer.report.comparison.columns import FloatArray, is_category, numbers

NEAR = 0.25
"""The difference matters where its middle half is narrower than this share of either column's."""
LEAST_ROWS = 50
MAX_ROWS = 4_000
FINE = 20
"""Values that each column has at least: the cells of two scales show their difference."""
TENTHS = np.linspace(0, 1, 11)[1:-1]


class Differences:
    """Fine numbers and dates of real and generated rows, whose differences are compared."""

    def __init__(
        self, real: pa.Table, generated: pa.Table, columns: Sequence[ColumnSchema | None]
    ) -> None:
        tables = [_some(real), _some(generated)]
        self.values: dict[str, list[FloatArray]] = {}
        self.middle: dict[str, float] = {}
        self.kinds = {c.name: c.kind for c in columns if c is not None}
        for name in self.kinds:
            if is_category(real, name):
                continue
            found = [numbers(table, name) for table in tables]
            if np.unique(found[0][~np.isnan(found[0])]).size >= FINE:
                self.values[name] = found
                self.middle[name] = _middle(_known(found[0]))

    def shared(self, left: str, right: str) -> float | None:
        """Return the share of generated rows whose difference is as among real rows, 0..1.

        It is 1 less the total-variation distance of the differences, cut at the tenths of the real
        ones. None where the columns are no two numbers or dates near one another, or few rows have
        both.
        """
        if left not in self.values or right not in self.values:
            return None
        if (self.kinds[left] == "datetime") != (self.kinds[right] == "datetime"):
            return None
        both = zip(self.values[left], self.values[right], strict=True)
        apart, drawn = (_known(a - b) for a, b in both)
        least = min(self.middle[left], self.middle[right])
        if apart.size < LEAST_ROWS or _middle(apart) >= NEAR * least:
            return None
        if not drawn.size:
            return 0.0
        edges = np.unique(np.quantile(apart, TENTHS))
        shares = [
            np.bincount(np.searchsorted(edges, of), minlength=edges.size + 1) / of.size
            for of in (apart, drawn)
        ]
        return 1.0 - 0.5 * float(np.abs(shares[0] - shares[1]).sum())


def _some(table: pa.Table) -> pa.Table:
    """Return about `MAX_ROWS` evenly spread rows."""
    step = -(-table.num_rows // MAX_ROWS) if table.num_rows else 1
    return table.take(pa.array(np.arange(0, table.num_rows, step)))


def _known(values: FloatArray) -> FloatArray:
    return values[~np.isnan(values)]


def _middle(values: FloatArray) -> float:
    """Return the width of the middle half of the values."""
    return float(np.subtract(*np.quantile(values, [0.75, 0.25]))) if values.size else 0.0

"""Possible values of a column, from its schema alone; the rows are never read."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats, level_values, places_of
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.families.curve import nearest

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
CATEGORY_KINDS = ("categorical", "ordinal", "boolean")
CELLS = 128
"""Number of linear cells of a numeric column, and of logarithmic ones."""


@dataclass(frozen=True)
class Domain:
    """Cells of a column: 0 is missing, then one per level, listed number or interval.

    Attributes:
        edges: ends of the intervals of a number, float64, ascending.
        exact: the numbers themselves where the schema lists them, float64; else empty.
    """

    column: ColumnSchema
    edges: Floats
    exact: Floats

    @property
    def is_category(self) -> bool:
        """Return whether cells are levels."""
        return self.column.kind in CATEGORY_KINDS

    @property
    def size(self) -> int:
        """Return the number of cells, missing included."""
        if self.is_category:
            return len(self.column.levels) + 1
        return self.exact.size + 1 if self.exact.size else self.edges.size

    def cells(self, values: pa.ChunkedArray) -> Ints:
        """Return the cell of each value, int64 [n]."""
        whole = values.combine_chunks()
        if self.is_category:
            places = {level: i + 1 for i, level in enumerate(self.column.level_values())}
            return places_of(whole, places, unknown=0, missing=0)
        numbers = as_floats(whole) / (1e6 if pa.types.is_timestamp(whole.type) else 1.0)
        known = np.nan_to_num(numbers)
        if self.exact.size:
            found = nearest(self.exact, known) + 1  # values of few persons are not listed
        else:
            edges = self.edges - _unit(self.column) / 2.0
            found = np.clip(np.searchsorted(edges, known, side="right"), 1, edges.size - 1)
        return np.where(np.isnan(numbers), 0, found)

    def draw(self, cells: Ints, rng: np.random.Generator) -> pa.Array:
        """Return a value for each cell in the clean type; numbers are uniform within their cell."""
        missing = cells == 0
        at = np.maximum(cells - 1, 0)
        if self.is_category:
            return level_values(cells - 1, self.column.level_values())
        if self.exact.size:
            numbers = self.exact[at]
        else:
            inside = rng.random(at.size) * (self.edges[at + 1] - self.edges[at])
            unit = _unit(self.column)
            numbers = self.edges[at] + (np.floor(inside / unit + 1e-9) * unit if unit else inside)
            if self.column.maximum is not None:
                numbers = np.minimum(numbers, self.column.maximum)
        if self.column.kind == "numeric":
            if self.column.decimals is not None:
                numbers = np.round(numbers, self.column.decimals)
            return pa.array(numbers, pa.float64(), mask=missing)
        if self.column.kind == "datetime":
            return pa.array((numbers * 1e6).astype(np.int64), mask=missing).cast(pa.timestamp("us"))
        return pa.array(np.rint(numbers).astype(np.int64), mask=missing)


def domain_of(column: ColumnSchema) -> Domain:
    """Return the domain of a learned column."""
    empty = np.empty(0)
    if column.kind in CATEGORY_KINDS:
        return Domain(column, empty, empty)
    if column.kind == "integer" and column.levels:
        exact = np.array(sorted(int(v) for v in column.level_values()), np.float64)
        return Domain(column, empty, exact)
    low, high = float(column.minimum or 0.0), float(column.maximum or 0.0)
    return Domain(column, _edges(low, high, _unit(column)), empty)


def _unit(column: ColumnSchema) -> float:
    """Return the unit that all numbers of the column are multiples of; 0 if unknown."""
    if column.kind in ("integer", "datetime"):
        return 1.0
    return 0.0 if column.decimals is None else 10.0**-column.decimals


def _edges(low: float, high: float, unit: float) -> Floats:
    """Return cell edges that suit even and skewed numbers: linear, and logarithmic from both ends.

    The two ends and zero, where numbers pile up, get their own cells.
    """
    width = max(high - low, unit, np.spacing(abs(low)) * 4)
    spike = unit or width * 1e-9
    linear = width * np.arange(CELLS) / CELLS
    power = width * np.geomspace(1e-4, 1.0, CELLS // 2)[:-1]
    inner = np.concatenate([linear, power, width - power, [spike]])
    inner = np.unique(np.floor(inner / unit + 1e-9) * unit if unit else inner)
    edges = np.concatenate(
        [low + inner, [high, high + spike], [0.0, spike] if low < 0.0 < high else []]
    )
    return np.unique(edges[(edges >= low) & (edges <= high + spike)])

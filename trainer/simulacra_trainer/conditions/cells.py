"""Cells: the combinations of condition classes in a pool of rows.

A column with a share condition sorts rows into classes: one for each named level and a last one for
the rest (unnamed levels and missing). A quota sorts them into those inside and those outside of it,
as a column of its own. A cell is a combination of classes; the minimum-KL tilt
depends on cells only.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp

from simulacra_intake.arrow_values import places_of

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
DENSE_CELLS = 1 << 22
"""Most combinations for which a lookup table finds the cells; sorting finds more."""


@dataclass(frozen=True)
class ShareCondition:
    """Requested shares of one column; the class with index len(levels) is the rest."""

    column: str
    levels: list[str]
    shares: FloatArray

    @property
    def targets(self) -> FloatArray:
        """Shares of all classes, float64[levels + 1]; they sum to 1."""
        total = float(self.shares.sum())
        rest = 1.0 - total
        return np.append(self.shares, rest if rest > 1e-9 else 0.0) / max(1.0, total)

    def classify(self, table: pa.Table) -> IntArray:
        """Return the class of every row, int64[rows]."""
        values = table.column(self.column).combine_chunks()
        rest = len(self.levels)
        if pa.types.is_dictionary(values.type):
            classes = {level: i for i, level in enumerate(self.levels)}
            return places_of(values, classes, unknown=rest, missing=rest)
        return self._classify_integers(values)

    def _classify_integers(self, values: pa.Array) -> IntArray:
        numbers = {int(v): i for i, v in enumerate(self.levels) if v.lstrip("-").isdecimal()}
        result = np.full(len(values), len(self.levels), dtype=np.int64)
        present = values.is_valid().to_numpy(zero_copy_only=False)
        data = values.fill_null(0).to_numpy(zero_copy_only=False)
        for number, index in numbers.items():
            result[(data == number) & present] = index
        return result


@dataclass(frozen=True)
class Cells:
    """The cells of a pool.

    Attributes:
        members: class of each cell in each share column, int64[cells, columns]; the classes of all
            columns are numbered consecutively.
        sizes: number of classes of each column.
        weight: pool frequency, float64[cells]; sums to 1.
        of_row: cell of each pool row, int64[rows].
    """

    members: IntArray
    sizes: IntArray
    weight: FloatArray
    of_row: IntArray

    @property
    def incidence(self) -> sp.csr_array:
        """0/1 matrix [classes of all columns, cells]: incidence @ p are the margins of p."""
        cells, columns = self.members.shape
        ones = np.ones(cells * columns)
        at = np.repeat(np.arange(cells), columns)
        return sp.csr_array(
            (ones, (self.members.ravel(), at)), shape=(int(self.sizes.sum()), cells)
        )

    def margins(self, p: FloatArray | IntArray) -> FloatArray:
        """Return the margins of a table over the cells, float64[classes of all columns]."""
        columns = self.members.shape[1]
        weights = np.repeat(p, columns).astype(np.float64)
        counts = np.bincount(self.members.ravel(), weights, minlength=int(self.sizes.sum()))
        return counts.astype(np.float64)


def find_cells(
    classes: list[IntArray], sizes: list[int], rows: int, weights: FloatArray | None = None
) -> Cells:
    """Return the cells that the rows of the pool fill.

    classes: of each share column, the class of each row, int64 [rows]; sizes: their numbers;
    weights: rows of the learned distribution that each row stands for, float64 [rows], equal within
    cells; None: each for one.
    """
    codes = np.zeros(rows, dtype=np.int64)
    span = 1
    for of_column, size in zip(classes, sizes, strict=True):
        if span * size >= 2**62:  # renumber before the product of the sizes leaves 64 bits
            found, codes = np.unique(codes, return_inverse=True)
            span = len(found)
        codes = codes * size + of_column
        span *= size
    found, of_row, counts, first = _number(codes, span)
    weight = counts / rows
    if weights is not None:
        weight = np.bincount(of_row, weights, minlength=len(found)) / weights.sum()
    offsets = np.cumsum([0, *sizes])[:-1]
    members = [c[first] + offset for c, offset in zip(classes, offsets, strict=True)]
    return Cells(
        members=np.stack(members, axis=1) if members else np.zeros((len(found), 0), np.int64),
        sizes=np.array(sizes, dtype=np.int64),
        weight=weight,
        of_row=of_row,
    )


def _number(codes: IntArray, span: int) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return sorted distinct codes, their index per row, their counts, one row of each."""
    if span > DENSE_CELLS:
        found, first, inverse, counts = np.unique(
            codes, return_index=True, return_inverse=True, return_counts=True
        )
        return found, inverse, counts, first
    counts = np.bincount(codes, minlength=span)
    found = np.flatnonzero(counts)
    number = np.zeros(span, dtype=np.int64)
    number[found] = np.arange(len(found))
    first = np.zeros(span, dtype=np.int64)
    first[codes] = np.arange(len(codes))
    return found, number[codes], counts[found], first[found]

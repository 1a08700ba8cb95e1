"""Columns as the network reads and predicts them: codes, cells of a code, intervals of a cell.

A code is missing (0), a level, a frequent number (an atom), or a quantile bin of the other numbers.
A bin has up to 8 quantile cells; a cell has intervals of at least 6 rows. Which values an interval
of ranks has, the column's curve says (`families.curve`), so outside the atoms a drawn value equals
a training value only by chance. Levels beyond the 256 most frequent ones share a code and
are drawn by frequency inside it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.rows_of_persons import MIN_PERSONS, persons_a_group
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.families.codec import ColumnCodec, fit_column
from simulacra_trainer.families.curve import Placed
from simulacra_trainer.families.grid import ColumnGrid, level_grid, number_grid

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
INPUTS = 5
"""Inputs besides the code: position in the bin -1..1, clipped z, rank, arcsinh and tanh."""
CELLS = 8
BINS = 32
INTERVALS_A_CELL = 8
ROWS_AN_INTERVAL = 6
FLAT_VALUES, FLAT_ROWS = 130, 8
"""With at most FLAT_VALUES distinct values of FLAT_ROWS rows on average, every value is a code."""
ATOM_ROWS, ATOM_SHARE = 20, 0.004
LEVEL_CODES = 256


@dataclass(frozen=True)
class Encoded:
    """Coded values of a column: codes and cells int64 [n], inputs float32 [n, INPUTS]."""

    codes: Ints
    cells: Ints
    inputs: npt.NDArray[np.float32]


@dataclass(frozen=True)
class ColumnCoding:
    """How one column is coded. Interval 0 is missing; intervals are sorted by code.

    Attributes:
        codec: converts the column's values to float64 and back.
        grid: cells for likelihoods.
        low, high: ends of the intervals, float64 [intervals]; equal for levels and atoms.
        below: rows in the intervals before each one, float64 [intervals + 1].
        code, cell: of each interval, int64 [intervals].
        edges: between the intervals of a number's values, ascending, float64 [intervals - 2].
        place: interval of each level, int64 [levels].
        scales: of a number, float64 [5]: mean, deviation, median absolute value, and mean and
            deviation of the arcsinh.
    """

    codec: ColumnCodec
    grid: ColumnGrid
    low: Floats
    high: Floats
    below: Floats
    code: Ints
    cell: Ints
    edges: Floats
    place: Ints
    scales: Floats

    @property
    def codes(self) -> int:
        """Return the number of codes, missing included."""
        return int(self.code[-1]) + 1

    @property
    def has_cells(self) -> bool:
        """Return whether some code has more than one cell."""
        return bool(self.cell.any())

    @property
    def is_ordered(self) -> bool:
        """Return whether neighboring codes stand for similar values."""
        return not self.codec.is_category or (
            self.codec.ordered and len(self.codec.levels) <= LEVEL_CODES
        )

    def code_rows(self) -> Floats:
        """Return the training rows of each code, float64 [codes]."""
        return np.bincount(self.code, np.diff(self.below), self.codes).astype(np.float64)

    def cell_rows(self) -> Floats:
        """Return the training rows of each cell, float64 [codes, CELLS]."""
        cells = self.code * CELLS + self.cell
        rows = np.bincount(cells, np.diff(self.below), self.codes * CELLS)
        return rows.astype(np.float64).reshape(self.codes, CELLS)

    def encode(self, values: Floats) -> Encoded:
        """Return coded values; values float64 [n] from the codec, NaN is missing."""
        missing = np.isnan(values)
        known = np.where(missing, 0.0, values)
        if self.codec.is_category:
            at = np.where(missing, 0, self.place[known.astype(np.int64)])
            inputs = np.zeros((values.size, INPUTS), np.float32)
            return Encoded(self.code[at], self.cell[at], inputs)
        at = np.where(missing, 0, 1 + np.searchsorted(self.edges, known, side="right"))
        width = np.where(self.high > self.low, self.high - self.low, 1.0)
        share = np.where(
            (self.high > self.low)[at], np.clip((known - self.low[at]) / width[at], 0.0, 1.0), 0.5
        )
        rows = self.below[at] + share * (self.below[at + 1] - self.below[at])
        inputs = self._inputs(known, self.code[at], rows)
        inputs[missing] = 0.0
        return Encoded(self.code[at], self.cell[at], inputs)

    def decode(self, codes: Ints, cells: Ints, u: Floats) -> Floats:
        """Return a value of each code and cell, float64 [n], drawn by u, uniform [n]."""
        key = self.code * CELLS + self.cell
        wanted = codes * CELLS + cells
        first = np.searchsorted(key, wanted, side="left")
        stop = np.searchsorted(key, wanted, side="right")
        rows = self.below[first] + u * (self.below[stop] - self.below[first])
        at = np.clip(
            np.searchsorted(self.below, rows, side="right") - 1, first, np.maximum(stop - 1, first)
        )
        held = np.maximum(self.below[at + 1] - self.below[at], 1e-9)
        share = np.clip((rows - self.below[at]) / held, 0.0, 1.0)
        return self.codec.tidy(self.low[at] + share * (self.high[at] - self.low[at]))

    def grid_shares(self) -> Floats:
        """Return the grid distribution of each cell, float64 [codes, CELLS, grid.size]."""
        rows = np.diff(self.below)[:, None] * self.grid.spread(self.low, self.high)
        out = np.zeros((self.codes * CELLS, self.grid.size))
        np.add.at(out, self.code * CELLS + self.cell, rows)
        total = out.sum(axis=1, keepdims=True)
        return (out / np.where(total > 0, total, 1.0)).reshape(self.codes, CELLS, -1)

    def middles(self) -> Floats:
        """Return standardized value and rank of each code's middle, float64 [codes - 1, 2]."""
        rows = np.diff(self.below)[1:]
        held = np.maximum(self.code_rows()[1:], 1e-9)
        middle = np.bincount(self.code[1:] - 1, rows * (self.low + self.high)[1:] / 2.0) / held
        rank = (np.cumsum(held) - held / 2.0) / held.sum()
        apart = middle - np.average(middle, weights=held)
        z = apart / (float(np.sqrt(np.average(apart**2, weights=held))) or 1.0)
        return np.column_stack([np.clip(z, -4.0, 4.0), (rank - 0.5) * np.sqrt(12.0)])

    def _inputs(self, values: Floats, codes: Ints, rows: Floats) -> npt.NDArray[np.float32]:
        starts = np.concatenate([[0.0], np.cumsum(self.code_rows())])
        held = np.maximum(starts[1:] - starts[:-1], 1.0)
        mean, deviation, size, middle, spread = self.scales
        z = (values - mean) / deviation
        rank = (rows - starts[1]) / max(starts[-1] - starts[1], 1.0)
        out = np.empty((values.size, INPUTS), np.float32)
        out[:, 0] = np.clip(2.0 * (rows - starts[codes]) / held[codes] - 1.0, -1.0, 1.0)
        out[:, 1] = np.clip(z, -4.0, 4.0)
        out[:, 2] = (rank - 0.5) * np.sqrt(12.0)
        out[:, 3] = np.clip((np.arcsinh(values / size) - middle) / spread, -4.0, 4.0)
        out[:, 4] = np.tanh(4.0 * z)
        return out


def fit_coding(
    column: pa.ChunkedArray,
    schema: ColumnSchema,
    weights: Floats | None = None,
    persons: Ints | None = None,
) -> ColumnCoding:
    """Return the coding learned from a clean column.

    Survey weights (mean 1) count inside codes; a value that few persons share is no atom.
    """
    codec, placed = fit_column(column, schema, persons, weights)
    values = codec.values(column)
    present = ~np.isnan(values)
    counted = np.ones(values.size) if weights is None else weights
    missing = float(counted[~present].sum())
    if placed is None:
        return _code_levels(codec, values[present], counted[present], missing)
    who = None if persons is None else persons[present]
    return _code_numbers(codec, placed, values[present], counted[present], missing, who)


def _code_levels(
    codec: ColumnCodec, known: Floats, counted: Floats, missing: float
) -> ColumnCoding:
    counts = np.bincount(known.astype(np.int64), minlength=len(codec.levels))
    weight = np.bincount(known.astype(np.int64), counted, len(codec.levels))
    ranked = np.argsort(-counts, kind="stable")
    order = np.concatenate([np.sort(ranked[:LEVEL_CODES]), np.sort(ranked[LEVEL_CODES:])])
    place = np.empty(order.size, np.int64)
    place[order] = 1 + np.arange(order.size)
    low = np.concatenate([[np.nan], order.astype(np.float64)])
    code = np.minimum(np.arange(order.size + 1), LEVEL_CODES + 1)
    below = np.concatenate([[0.0, missing], missing + np.cumsum(weight[order])])
    grid = level_grid(codec.levels)
    return ColumnCoding(
        codec, grid, low, low, below, code, np.zeros_like(code), np.empty(0), place, np.empty(0)
    )


def _code_numbers(
    codec: ColumnCodec,
    placed: Placed,
    known: Floats,
    counted: Floats,
    missing: float,
    persons: Ints | None,
) -> ColumnCoding:
    distinct, inverse, counts = np.unique(known, return_inverse=True, return_counts=True)
    if distinct.size <= FLAT_VALUES and known.size >= FLAT_ROWS * distinct.size:
        is_atom = np.ones(distinct.size, np.bool_)
    else:
        is_atom = counts >= max(ATOM_ROWS, ATOM_SHARE * known.size)
    is_atom &= persons_a_group(inverse.reshape(-1), persons, distinct.size) >= MIN_PERSONS
    code, cell, interval = _partition(counts, is_atom)
    first = np.flatnonzero(np.diff(interval, prepend=-1))
    last = np.append(first[1:], distinct.size) - 1
    edges = (distinct[last[:-1]] + distinct[first[1:]]) / 2.0
    step = codec.step
    low = np.concatenate([distinct[:1] - step / 2.0, edges])
    high = np.concatenate([edges, distinct[-1:] + step / 2.0])
    low = np.where(is_atom[first], distinct[first], low)
    high = np.where(is_atom[first], distinct[first], high)
    if placed.curve.ranks.size:
        ascending = placed.ascending
        a = np.searchsorted(ascending, distinct[first], side="left") / ascending.size
        b = np.searchsorted(ascending, distinct[last], side="right") / ascending.size
        on_curve = (b > a) & ~is_atom[first]
        low = np.where(on_curve, placed.curve.at(a), low)
        high = np.where(on_curve, placed.curve.at(b), high)
    rows = np.add.reduceat(np.bincount(inverse.reshape(-1), counted, distinct.size), first)
    return ColumnCoding(
        codec=codec,
        grid=number_grid(known),
        low=np.concatenate([[np.nan], low]),
        high=np.concatenate([[np.nan], high]),
        below=np.concatenate([[0.0, missing], missing + np.cumsum(rows)]),
        code=np.concatenate([[0], 1 + code[first]]),
        cell=np.concatenate([[0], cell[first]]),
        edges=edges,
        place=np.empty(0, np.int64),
        scales=_scales(known),
    )


def _partition(counts: Ints, is_atom: npt.NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """Return the code, cell and interval of each distinct value (ascending), int64 [distinct]."""
    others = np.where(is_atom, 0, counts)
    total = max(int(others.sum()), 1)
    share = (np.cumsum(others) - others / 2.0) / total
    intervals = max(total // ROWS_AN_INTERVAL, 1)
    cells = min(intervals, BINS * CELLS)
    bins = max(min(cells // 4, BINS), 1)
    finest = min(intervals, cells * INTERVALS_A_CELL)
    run = np.cumsum(is_atom) * 2 + is_atom  # an atom is its own run and splits a bin
    bin_id, cell_id, interval_id = (
        np.where(is_atom, -1, (share * k).astype(np.int64)) for k in (bins, cells, finest)
    )
    new_code = _changes(run, bin_id)
    new_cell = new_code | _changes(cell_id)
    code = np.cumsum(new_code) - 1
    cell_number = np.cumsum(new_cell)
    starts = cell_number[np.flatnonzero(new_code)]
    cell = np.minimum(cell_number - starts[code], CELLS - 1)
    interval = np.cumsum(new_cell | _changes(interval_id)) - 1
    return code, cell, interval


def _changes(*keys: Ints) -> npt.NDArray[np.bool_]:
    """Return where any key differs from the one before; True at the start."""
    out = np.zeros(keys[0].size, np.bool_)
    for key in keys:
        out[1:] |= key[1:] != key[:-1]
    out[:1] = True
    return out


def _scales(known: Floats) -> Floats:
    size = float(np.median(np.abs(known))) or float(np.mean(np.abs(known))) or 1.0
    curved = np.arcsinh(known / size)
    return np.array([known.mean(), known.std() or 1.0, size, curved.mean(), curved.std() or 1.0])

"""Nearest neighbors between mixed tables, and the equal-halves DCR test of copying.

DCR is the distance to the closest record. The test: fit on one half of the rows, and see whether
synthetic rows lie nearer to that half than to the other. Equal halves matter: against a smaller
holdout, with the training rows thinned to its size, most copied rows have lost their original and
the share flatters several-fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_crds.contract.schema import TableSchema
from simulacra_trainer.cpus import threads
from simulacra_trainer.report.columns import FloatArray, IntArray, is_category, level_codes, numbers

MAX_PAIRS = 80_000_000
"""Rows compared with rows, at most, in one test: bounds its time to about a second."""
CLIP = 10.0
BAR = 0.53
"""Bar of privacy tuning for the equal-halves share, to two digits: the third is chance."""
HELD_BELOW = BAR + 0.005
"""What rounds to the bar: a share above it is not held."""
JUDGED_AT_ONCE, MAX_JUDGED, MAX_CELLS = 3_000, 12_000, 4_000_000_000
"""A test of equal halves judges so many rows at once and so many in all; of a wide table no more
than compare that many cells with cells (about a second). 3,000 have a standard error of 0.009, and
a table at the bar got a penalty by chance.
"""
SURE = 3.0
"""So many standard errors above the bar, the rows so far decide (a race, Maron & Moore, 1994)."""
BLOCK = 1024
"""Rows walked at once: their columns and distances stay in the cache."""
Points = tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]


def place(scale: pa.Table, tables: Sequence[pa.Table], names: Sequence[str]) -> list[Points]:
    """Return tables as points: numbers float32[rows, a] in standard deviations of `scale`, levels
    int32[rows, b].

    Numbers are clipped at 10 standard deviations from the mean of `scale`; missing ones are NaN,
    and whether a number that can be missing is, is a level as well. Missing levels are 0.
    """
    columns: list[list[FloatArray]] = [[] for _ in tables]
    levels: list[list[IntArray]] = [[] for _ in tables]
    for name in names:
        if is_category(scale, name):
            for into, codes in zip(levels, level_codes(tables, name)[0], strict=True):
                into.append(codes)
            continue
        base = numbers(scale, name)
        base = base[~np.isnan(base)]
        center, spread = (float(base.mean()), float(base.std()) or 1.0) if len(base) else (0.0, 1.0)
        placed = [
            np.clip((numbers(table, name) - center) / spread, -CLIP, CLIP) for table in tables
        ]
        for kept, values in zip(columns, placed, strict=True):
            kept.append(values)
        if any(np.isnan(values).any() for values in placed):
            for into, values in zip(levels, placed, strict=True):
                into.append(np.isnan(values).astype(np.int64))
    return [_points(c, v, t.num_rows) for c, v, t in zip(columns, levels, tables, strict=True)]


def _points(columns: list[FloatArray], levels: list[IntArray], rows: int) -> Points:
    """Stack row by row: the kernel walks along rows."""
    left = np.column_stack(columns) if columns else np.zeros((rows, 0))
    right = np.column_stack(levels) if levels else np.zeros((rows, 0))
    return np.ascontiguousarray(left, dtype=np.float32), np.ascontiguousarray(right, dtype=np.int32)


@numba.njit(nogil=True, cache=True)
def _nearest(
    numbers: npt.NDArray[np.float32],
    levels: npt.NDArray[np.int32],
    to_numbers: npt.NDArray[np.float32],
    to_levels: npt.NDArray[np.int32],
    squared: npt.NDArray[np.float32],
    ties: IntArray,
) -> None:
    """Compare blocks column by column: without inner branches the compiler vectorizes."""
    squared[:] = np.inf
    distances = np.empty(BLOCK, np.float32)
    for begin in range(0, to_numbers.shape[1], BLOCK):
        size = min(BLOCK, to_numbers.shape[1] - begin)
        for i in range(numbers.shape[0]):
            d = distances[:size]
            d[:] = 0
            for j in range(levels.shape[1]):
                level, column = levels[i, j], to_levels[j, begin : begin + size]
                for k in range(size):
                    d[k] += np.float32(column[k] != level)
            for j in range(numbers.shape[1]):
                number, other = numbers[i, j], to_numbers[j, begin : begin + size]
                for k in range(size):
                    apart = number - other[k]
                    d[k] += apart * apart if apart == apart else np.float32(0)
            best = squared[i]
            for k in range(size):
                if d[k] < best:
                    best = d[k]
                    ties[i] = 0
                ties[i] += d[k] == best
            squared[i] = best


def nearest(rows: Points, others: Points) -> tuple[FloatArray, IntArray]:
    """Return each row's distance to the nearest of the others (float64) and how many lie at that
    distance (int64).

    The squared distance adds the squared differences of numbers; a level that differs counts 1, as
    does a number that is missing on one side only.
    """
    squared = np.empty(len(rows[0]), dtype=np.float32)
    ties = np.zeros(len(rows[0]), dtype=np.int64)
    cuts = np.linspace(0, len(squared), threads() + 1).astype(int)
    columns = [np.ascontiguousarray(part.T) for part in others]

    def search(a: int, b: int) -> None:
        _nearest(rows[0][a:b], rows[1][a:b], *columns, squared[a:b], ties[a:b])

    with ThreadPoolExecutor(threads()) as pool:
        list(pool.map(search, cuts[:-1], cuts[1:]))
    return np.sqrt(squared.astype(np.float64)), ties


def nearer_share(synthetic: Points, seen: Points, unseen: Points) -> tuple[float, float]:
    """Return the DCR share of synthetic rows on the scale of equal halves, and its standard error.

    0.5: rows lie no nearer to those the model saw than to those it did not; 1: all are copies. When
    several rows tie as the nearest, each side is credited with its part of them. By exchangeability
    the raw share of a model that copies nothing is the seen rows' part of all, s0 (1/2 for equal
    halves); (share - s0) / (1 - s0) is the part of rows that copy, which equal halves would show as
    0.5 plus half of it.
    """
    return _on_equal_halves(
        _credit(synthetic, seen, unseen), len(seen[0]) / (len(seen[0]) + len(unseen[0]))
    )


def _credit(synthetic: Points, seen: Points, unseen: Points) -> FloatArray:
    """Return by row how much of it the seen rows are credited with, float64 [rows]."""
    near, near_ties = nearest(synthetic, seen)
    far, far_ties = nearest(synthetic, unseen)
    return np.where(near < far, 1.0, np.where(near > far, 0.0, near_ties / (near_ties + far_ties)))


def _on_equal_halves(credit: FloatArray, base: float) -> tuple[float, float]:
    scale = 0.5 / (1 - base)
    return 0.5 + scale * float(credit.mean() - base), scale * float(credit.std()) / float(
        np.sqrt(len(credit))
    )


def is_held(share: float) -> bool:
    """Return whether a share of equal halves keeps the bar."""
    return round(share, 2) <= BAR


def equal_halves_dcr(
    half_a: pa.Table,
    half_b: pa.Table,
    synthetic_from_a: pa.Table,
    schema: TableSchema,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Return the DCR share of rows from a model that saw half_a only, and its standard error.

    half_b is of (about) the same size. 0.5 is a model that copies nothing. No more rows are judged
    than keep the comparison bounded, and no further ones where the share is clearly above the bar.

    Raises:
        ValueError: one of the tables is empty.
    """
    if not (half_a.num_rows and half_b.num_rows and synthetic_from_a.num_rows):
        raise ValueError("the DCR test needs rows in both halves and in the synthetic table")
    names = [c.name for c in schema.learned()]
    cells = (half_a.num_rows + half_b.num_rows) * len(names)
    most = max(200, min(MAX_JUDGED, MAX_CELLS // cells))
    synthetic = synthetic_from_a.take(
        rng.permutation(synthetic_from_a.num_rows)[:most]
    )  # the first ones may decide
    drawn, near, far = place(half_a, [synthetic, half_a, half_b], names)
    credit, base = np.empty(0), half_a.num_rows / (half_a.num_rows + half_b.num_rows)
    share = error = 0.0
    while credit.size < synthetic.num_rows:
        batch = slice(credit.size, credit.size + JUDGED_AT_ONCE)
        credit = np.append(credit, _credit((drawn[0][batch], drawn[1][batch]), near, far))
        share, error = _on_equal_halves(credit, base)
        if share - HELD_BELOW > SURE * error:
            break
    return share, error

"""Nearest neighbors between mixed tables, and the equal-halves DCR test for copying.

DCR is the distance to the closest record. The test fits a model on one half of the rows and asks
whether its synthetic rows are nearer to that half than to the other. The halves must be equal.
Against a smaller holdout, with training rows thinned to its size, most copied rows lose their
original, and the share looks several times better than it is.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_schema.privacy_verdict import DCR_GOOD
from simulacra_schema.table import TableSchema
from simulacra_trainer.cpus import threads
from simulacra_trainer.report.comparison.columns import (
    FloatArray,
    IntArray,
    is_category,
    level_codes,
    numbers,
)

MAX_PAIRS = 80_000_000
"""Maximum pairs of rows in one test, which limits its time to about a second."""
CLIP = 10.0
BAR = DCR_GOOD
"""Highest equal-halves share that privacy tuning accepts, rounded to two digits; the third digit is
chance."""
FAILS_ABOVE = BAR + 0.005
"""Shares above this round to more than the bar."""
BATCH_ROWS = 3_000
"""Synthetic rows tested at a time. Their standard error of 0.009 alone would decide by chance."""
MAX_ROWS = 12_000
"""Maximum synthetic rows in a test of equal halves."""
MAX_CELLS = 4_000_000_000
"""Maximum comparisons of cells in a test, about a second; limits the rows of wide tables."""
SURE = 3.0
"""Standard errors above the bar that end the test early (a race; Maron & Moore, 1994)."""
BLOCK = 1024
"""Rows compared at a time, so that their columns and distances stay in the cache."""
Points = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint16]]
Neighbors = tuple[FloatArray, IntArray]
"""Distance of each row to its nearest neighbor, and the number of ties, as of `nearest`."""


def place(scale: pa.Table, tables: Sequence[pa.Table], names: Sequence[str]) -> list[Points]:
    """Return tables as points: scaled numbers float32 [rows, a] and level codes uint16 [rows, b].

    Numbers are in standard deviations from the mean of `scale`, clipped at 10; missing is NaN. A
    number with missing values has a level code for missing too. Missing levels are 0. Codes wrap at
    65,536: of a column with more levels, one pair in 65,536 counts as equal.
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
        for scaled, values in zip(columns, placed, strict=True):
            scaled.append(values)
        if any(np.isnan(values).any() for values in placed):
            for into, values in zip(levels, placed, strict=True):
                into.append(np.isnan(values).astype(np.int64))
    return [_points(c, v, t.num_rows) for c, v, t in zip(columns, levels, tables, strict=True)]


def _points(columns: list[FloatArray], levels: list[IntArray], rows: int) -> Points:
    """Stack columns in row-major order, as the kernel reads them."""
    left = np.column_stack(columns) if columns else np.zeros((rows, 0))
    right = np.column_stack(levels) if levels else np.zeros((rows, 0), np.int64)
    return np.ascontiguousarray(left, dtype=np.float32), right.astype(np.uint16, order="C")


@numba.njit(nogil=True, cache=True)
def _nearest(
    numbers: npt.NDArray[np.float32],
    levels: npt.NDArray[np.uint16],
    to_numbers: npt.NDArray[np.float32],
    to_levels: npt.NDArray[np.uint16],
    squared: npt.NDArray[np.float32],
    ties: IntArray,
) -> None:
    """Fill in `squared` and `ties`; block by block, so that the compiler vectorizes."""
    squared[:] = np.inf
    distances, differences = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.uint16)
    for begin in range(0, to_numbers.shape[1], BLOCK):
        size = min(BLOCK, to_numbers.shape[1] - begin)
        for i in range(numbers.shape[0]):
            d, differing = distances[:size], differences[:size]
            differing[:] = 0
            for j in range(levels.shape[1]):
                level, column = levels[i, j], to_levels[j, begin : begin + size]
                for k in range(size):
                    differing[k] += column[k] != level
            for k in range(size):
                d[k] = differing[k]
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


def nearest(rows: Points, others: Points) -> Neighbors:
    """Return each row's distance to its nearest neighbor, float64, and the number of ties, int64.

    The squared distance is the sum of squared differences of numbers, plus 1 for each level that
    differs and each number that is missing on one side only.
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


def nearer_share(near: Neighbors, far: Neighbors, base: float) -> tuple[float, float]:
    """Return the DCR share of synthetic rows on the scale of equal halves, and its standard error.

    near, far: the `nearest` seen and unseen row of each synthetic row; base: share of seen rows
    among all real rows.

    The raw share is the share of synthetic rows whose nearest real row was seen by the model; ties
    count proportionally. Without copying it is expected to be s0, the share of seen rows among all
    real rows (1/2 for equal halves). A fraction c of copied rows raises it to s0 + c * (1 - s0).
    Equal halves would show 0.5 + c / 2, which is returned: 0.5 means no copying, 1 all copies.
    """
    return _on_equal_halves(_credit(near, far), base)


def _credit(near: Neighbors, far: Neighbors) -> FloatArray:
    """Return 1 for rows nearer to seen rows, 0 for unseen, shares for ties, float64 [rows]."""
    (seen, seen_ties), (unseen, unseen_ties) = near, far
    tied = seen_ties / (seen_ties + unseen_ties)
    return np.where(seen < unseen, 1.0, np.where(seen > unseen, 0.0, tied))


def _on_equal_halves(credit: FloatArray, base: float) -> tuple[float, float]:
    scale = 0.5 / (1 - base)
    error = scale * float(credit.std()) / float(np.sqrt(len(credit)))
    return 0.5 + scale * float(credit.mean() - base), error


def is_within_bar(share: float) -> bool:
    """Return whether an equal-halves share is within the privacy bar."""
    return round(share, 2) <= BAR


def equal_halves_dcr(
    half_a: pa.Table,
    half_b: pa.Table,
    synthetic_from_a: pa.Table,
    schema: TableSchema,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Return the DCR share of rows from a model that saw only half_a, and its standard error.

    half_b has (about) the same size. A model that copies nothing has 0.5. The number of rows tested
    is limited, and the test ends early if the share is clearly above the bar.

    Raises:
        ValueError: one of the tables is empty.
    """
    if not (half_a.num_rows and half_b.num_rows and synthetic_from_a.num_rows):
        raise ValueError("the DCR test needs rows in both halves and in the synthetic table")
    names = [c.name for c in schema.learned()]
    cells = (half_a.num_rows + half_b.num_rows) * len(names)
    most = max(200, min(MAX_ROWS, MAX_CELLS // cells))
    # Shuffle, because the first batch may decide.
    synthetic = synthetic_from_a.take(rng.permutation(synthetic_from_a.num_rows)[:most])
    drawn, near, far = place(half_a, [synthetic, half_a, half_b], names)
    credit, base = np.empty(0), half_a.num_rows / (half_a.num_rows + half_b.num_rows)
    share = error = 0.0
    while credit.size < synthetic.num_rows:
        batch = slice(credit.size, credit.size + BATCH_ROWS)
        rows = drawn[0][batch], drawn[1][batch]
        credit = np.append(credit, _credit(nearest(rows, near), nearest(rows, far)))
        share, error = _on_equal_halves(credit, base)
        if share - FAILS_ABOVE > SURE * error:
            break
    return share, error

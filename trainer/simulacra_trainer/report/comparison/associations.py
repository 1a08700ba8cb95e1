"""Association of every pair of columns, among real and among generated rows.

The measure is Cramer's V with Bergsma's correction (2013), between levels and tenths of numbers, so
one figure serves columns of every kind. Missing is a level.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import sample_rows
from simulacra_intake.survey_weights import effective_rows, weights_in
from simulacra_trainer.report.comparison.columns import FloatArray, IntArray, bin_codes

MAX_SHOWN = 24
"""Columns in the pictures: more could not be read."""
MAX_CODES = 4_000
"""Codes of all columns together, which limits the time to about a second."""
MAX_COLUMN_CODES = 32
MAX_ROWS = 4_000
MAX_PRODUCTS = 2e10
STRONG = 0.1
"""Association of real rows from which a pair counts as related in the summary."""
GRID = 20
"""Squares a side of the picture of all pairs."""


def associations(
    real: pa.Table,
    generated: pa.Table,
    names: Sequence[str],
    rng: np.random.Generator,
    weight: str | None = None,
) -> dict[str, Any] | None:
    """Return the association, 0..1, of pairs of columns; None with fewer than two columns.

    `columns` are those whose associations differ most, in the order of the table, with the matrices
    `real` and `generated`. `related` sums up the pairs with a real association of 0.1 or more.
    `squares` are [real, generated, pairs] by twentieths, over all pairs.

    weight: column of weights of the real rows.
    """
    tables = [sample_rows(table, MAX_ROWS, rng) for table in (real, generated)]
    coded = _coded(tables, names)
    if len(coded) < 2 or min(table.num_rows for table in tables) < 2:
        return None
    width = sum(size for _, size in coded)
    rows = int(np.clip(MAX_PRODUCTS / width**2, 500, MAX_ROWS))
    found = []
    for at, table in enumerate(tables):
        weights = weights_in(table, weight) if at == 0 else None
        counts = np.ones(table.num_rows) if weights is None else weights
        chosen = rng.permutation(table.num_rows)[:rows]
        codes = [(of[at][chosen], size) for of, size in coded]
        found.append(_matrix(codes, counts[chosen]))
    before, after = found
    i, j = np.triu_indices(len(coded), k=1)
    off = np.abs(before - after).sum(axis=0)
    shown = np.sort(np.argsort(-off, kind="stable")[:MAX_SHOWN])
    related = before[i, j] >= STRONG
    cells = np.minimum(np.array([before[i, j], after[i, j]]) * GRID, GRID - 1).astype(int)
    squares, pairs = np.unique(cells, axis=1, return_counts=True)
    return {
        "columns": [names[at] for at in shown],
        "real": _rounded(before, shown),
        "generated": _rounded(after, shown),
        "compared": len(coded),
        "pairs": len(i),
        "related": {
            "pairs": int(related.sum()),
            "real": _mean(before[i, j][related]),
            "generated": _mean(after[i, j][related]),
        },
        "squares": [[int(x), int(y), int(n)] for (x, y), n in zip(squares.T, pairs, strict=True)],
    }


def _coded(tables: list[pa.Table], names: Sequence[str]) -> list[tuple[list[IntArray], int]]:
    """Return the codes of both tables by column, of the first columns that fit."""
    coded = []
    width = 0
    for name in names:
        codes, size = bin_codes(tables, name)
        size = min(size, MAX_COLUMN_CODES)
        width += size
        if width > MAX_CODES:
            break
        coded.append(([np.minimum(of, size - 1) for of in codes], size))
    return coded


def _matrix(coded: list[tuple[IntArray, int]], counts: FloatArray) -> FloatArray:
    """Return the association of each pair of columns, float64 [columns, columns]; diagonal 0."""
    sizes = [size for _, size in coded]
    begins = np.cumsum([0, *sizes[:-1]])
    rows = np.arange(counts.size)
    marks = np.zeros((counts.size, sum(sizes)), np.float32)
    for (codes, _), begin in zip(coded, begins, strict=True):
        marks[rows, begin + codes] = 1.0
    share = (counts / counts.sum()).astype(np.float32)
    joint = (marks * share[:, None]).T @ marks
    single = np.maximum(np.diagonal(joint), 1e-12)
    square = joint**2 / single[:, None] / single[None, :]
    chi = np.add.reduceat(np.add.reduceat(square, begins, axis=0), begins, axis=1) - 1.0
    n = max(effective_rows(counts), 2.0)
    used = np.add.reduceat((np.diagonal(joint) > 0).astype(float), begins)
    corrected = np.maximum(chi - np.outer(used - 1, used - 1) / (n - 1), 0.0)
    levels = used - (used - 1) ** 2 / (n - 1)
    most = np.maximum(np.minimum(levels[:, None], levels[None, :]) - 1.0, 1e-9)
    found = np.where(np.minimum(used[:, None], used[None, :]) > 1, np.sqrt(corrected / most), 0.0)
    found = np.clip(found, 0.0, 1.0)
    np.fill_diagonal(found, 0.0)
    return found.astype(np.float64)


def _rounded(matrix: FloatArray, shown: np.ndarray[Any, np.dtype[np.intp]]) -> list[list[float]]:
    return [[round(float(v), 2) for v in row[shown]] for row in matrix[shown]]


def _mean(values: FloatArray) -> float | None:
    return round(float(values.mean()), 3) if values.size else None

"""Fidelity: total-variation distance of columns and pairs of columns from unseen real rows, beside its floor.

The floor is the distance of as many real training rows from the same unseen rows: what sampling alone costs. A
synthetic table at the floor is as near to the unseen rows as real rows are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_trainer.report.columns import IntArray, bin_codes, sample_rows

MAX_ROWS = 25_000
MAX_COUNTED = 20_000_000
"""Rows times pairs, at most: bounds the time to about a second."""
WORST_PAIRS = 50


def total_variation(a: IntArray, b: IntArray, codes: int) -> float:
    """Return the total-variation distance (0..1) of two coded columns."""
    p, q = np.bincount(a, minlength=codes) / len(a), np.bincount(b, minlength=codes) / len(b)
    return 0.5 * float(np.abs(p - q).sum())


def fidelity(
    unseen: pa.Table, train: pa.Table, synthetic: pa.Table, names: list[str], rng: np.random.Generator
) -> dict[str, Any]:
    """Compare synthetic and training rows, as many of either, with the unseen ones; errors in percent.

    Numbers are cut at the deciles of the unseen rows; all pairs of columns, or a random set of them when there are
    too many.
    """
    pairs = _pairs(len(names), rng)
    most = max(500, min(MAX_ROWS, MAX_COUNTED // max(len(pairs), 1)))
    rows = min(train.num_rows, synthetic.num_rows, most)
    tables = [sample_rows(unseen, most, rng), sample_rows(train, rows, rng), sample_rows(synthetic, rows, rng)]
    coded = [bin_codes(tables, name) for name in names]
    columns = [
        {
            "column": name,
            "error": 100 * total_variation(codes[0], codes[2], size),
            "floor": 100 * total_variation(codes[0], codes[1], size),
        }
        for name, (codes, size) in zip(names, coded, strict=True)
    ]
    by_pair = [_pair(names, coded, int(i), int(j)) for i, j in pairs]
    by_pair.sort(key=lambda pair: pair["floor"] - pair["error"])
    return {
        "rows_compared": rows,
        "univariate": _means(columns),
        "bivariate": {**_means(by_pair), "pairs": len(by_pair)},
        "columns": columns,
        "worst_pairs": by_pair[:WORST_PAIRS],
    }


def _pairs(columns: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    i, j = np.triu_indices(columns, k=1)
    most = MAX_COUNTED // MAX_ROWS
    chosen = np.sort(rng.choice(len(i), most, replace=False)) if len(i) > most else np.arange(len(i))
    return np.column_stack([i[chosen], j[chosen]])


def _pair(names: list[str], coded: list[tuple[list[IntArray], int]], i: int, j: int) -> dict[str, Any]:
    (left, left_size), (right, right_size) = coded[i], coded[j]
    codes = [a * right_size + b for a, b in zip(left, right, strict=True)]
    size = left_size * right_size
    return {
        "columns": [names[i], names[j]],
        "error": 100 * _sparse_variation(codes[0], codes[2], size),
        "floor": 100 * _sparse_variation(codes[0], codes[1], size),
    }


def _sparse_variation(a: IntArray, b: IntArray, codes: int) -> float:
    if codes <= 1 << 20:
        return total_variation(a, b, codes)
    found, dense = np.unique(np.concatenate([a, b]), return_inverse=True)
    return total_variation(dense[: len(a)], dense[len(a) :], len(found))


def _means(parts: list[dict[str, Any]]) -> dict[str, float]:
    if not parts:
        return {"error": 0.0, "floor": 0.0}
    return {key: float(np.mean([part[key] for part in parts])) for key in ("error", "floor")}

"""Canonical variates of a class target: many weak effects combined into one predictor.

A tree spends a split, and half of its rows, on each column that moves the target a little. A
canonical variate adds up many such columns: classes get scores such that an additive regression
explains most of the scores' variance (canonical correlation; optimal scoring, Hastie, Tibshirani &
Buja, 1994). The regression's prediction is a further predictor, a linear combination that a tree
splits like a number (Breiman et al., 1984, section 5.2; Loh and Vanichsetakul, 1988). Each slope
pays half the price of a split; a split on the variate pays the full price.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular

from simulacra_trainer.families.codec import Codes, Floats
from simulacra_trainer.families.forest.regression.additive import (
    FEW_FUNCTIONS,
    MAX_FIT_ROWS,
    SAME,
    design_of,
    fit_slopes,
    tables_of,
)
from simulacra_trainer.families.forest.trees.kernels import BINS, F8, I4, I8, U1, compiled
from simulacra_trainer.families.forest.trees.traversal import table_sums
from simulacra_trainer.families.forest.trees.tree import Variate

MAX_VARIATES = 3
MIN_ROWS, MAX_CLASSES = 1_000, 256
RIDGE = 0.01
"""Added to each function's variance, so that rare levels do not set class scores."""
SLOPE_SHARE = 0.5
"""Share of the penalty that a slope pays; less copies small tables, more loses effects."""
CODES, TAIL = 250, 0.001
"""A variate has this many codes of equal width between its TAIL and 1 - TAIL quantiles."""


def fit_variates(
    codes: Codes,
    bases: Sequence[Floats],
    y: npt.NDArray[np.integer],
    classes: int,
    penalty: float,
    rows_a_person: float = 1.0,
) -> list[Variate]:
    """Return the variates of a class target, most informative first.

    A single column, fewer than `MIN_ROWS` rows or more than `MAX_CLASSES` classes give none.

    bases: `additive.functions_of` the same columns as the codes; y: int32 [n], classes
    0..classes-1; rows_a_person: rows that count as one.
    """
    if y.size < MIN_ROWS or classes > MAX_CLASSES or len(bases) < 2:
        return []
    step = -(-y.size // MAX_FIT_ROWS)
    seen, of = codes[:, ::step], y[::step]
    share = np.bincount(of, minlength=classes) / of.size
    moments, bases = _strongest(seen, bases, of, share)
    if sum(map(len, bases)) < 2:
        return []
    design = design_of(bases, seen, 1)
    scores = _class_scores(design.gram, moments, share, of.size)
    rows, found = np.arange(y.size, dtype=np.int32), []
    for score in scores:
        target = score[of]
        target -= target.mean()
        square = float(target @ target)
        if square <= SAME * of.size:
            continue
        price = (0.5 + SLOPE_SHARE * penalty) * rows_a_person
        slopes = fit_slopes(design, design.centered @ target, square, of.size, price)
        columns, tables = tables_of(bases, design.mean, slopes)
        if columns.size > 1:
            low, high = np.quantile(table_sums(codes, rows, columns, tables), (TAIL, 1.0 - TAIL))
            if high > low:
                scale = CODES / (high - low)
                found.append(Variate(columns, scale * (tables - low / columns.size)))
    return found


def _strongest(
    seen: Codes, bases: Sequence[Floats], of: npt.NDArray[np.integer], share: Floats
) -> tuple[Floats, list[Floats]]:
    """Keep the `FEW_FUNCTIONS` functions that differ most between classes.

    Returns:
        products with standardized class indicators, float64 [functions, classes], and the functions
        of each column.
    """
    column = np.repeat(np.arange(len(bases)), [len(functions) for functions in bases])
    sums, mean, variance = _class_sums(
        seen, of.astype(np.int32), share.size, np.concatenate(bases), column
    )
    moments = (sums - np.outer(mean, of.size * share)) / np.sqrt(np.where(share > 0, share, 1.0))
    told = np.where(variance > SAME, (moments**2).sum(axis=1) / np.maximum(variance, SAME), -1.0)
    is_kept = np.zeros(column.size, np.bool_)
    is_kept[np.argsort(-told, kind="stable")[:FEW_FUNCTIONS]] = True
    is_kept &= told >= 0.0
    return moments[is_kept], [functions[is_kept[column == j]] for j, functions in enumerate(bases)]


@compiled
def _class_sums(seen: U1, of: I4, classes: int, functions: F8, column: I8) -> tuple[F8, F8, F8]:
    """Return class sums, float64 [functions, classes], means and variances of the functions.

    seen: codes, uint8 [columns, n]; of: classes, int32 [n]; functions: float64 [functions, 256];
    column: of each function, int64 [functions], ascending.
    """
    n = of.shape[0]
    sums = np.zeros((len(column), classes))
    mean, variance = np.zeros(len(column)), np.zeros(len(column))
    table, counted = np.zeros((BINS, classes), np.int64), -1
    for f in range(len(column)):
        if column[f] != counted:
            counted = column[f]
            table[:] = 0
            for i in range(n):
                table[seen[counted, i], of[i]] += 1
        square = 0.0
        for code in range(BINS):
            value = functions[f, code]
            if value != 0.0:
                for k in range(classes):
                    sums[f, k] += value * table[code, k]
                    square += value * value * table[code, k]
        mean[f] = sums[f].sum() / n
        variance[f] = square / n - mean[f] ** 2
    return sums, mean, variance


def _class_scores(gram: Floats, moments: Floats, share: Floats, n: int) -> list[Floats]:
    """Return the class scores that a ridge regression explains best, float64 [classes] each."""
    root = cholesky(gram + RIDGE * n * np.eye(len(gram)), lower=True)
    explained = solve_triangular(root, moments, lower=True)
    strengths, vectors = np.linalg.eigh(explained @ explained.T)
    most = min(MAX_VARIATES, int(np.count_nonzero(share)) - 1)
    leading = [k for k in range(len(strengths) - 1, -1, -1) if strengths[k] > SAME * n][:most]
    scale = np.sqrt(np.where(share > 0, share, 1.0))
    return [explained.T @ vectors[:, k] / np.sqrt(strengths[k]) / scale for k in leading]

"""Sparse additive regressions on earlier columns, stored as one table of codes per column.

A slope is a parameter, so it must pay for itself as a split does: functions of the columns enter
one by one while each gains more log-likelihood than a price. The slopes that remain are shrunk by a
ridge penalty that maximizes the evidence (MacKay, 1992).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from simulacra_trainer.families.codec import Booleans, Codes, ColumnCodec, Floats, Ints
from simulacra_trainer.families.forest.trees.kernels import BINS, F8, I8, compiled

MAX_SLOPES, MAX_LEVELS, MIN_ROWS = 40, 30, 5
MAX_FIT_ROWS = 20_000
RIDGES = np.exp(np.linspace(np.log(1e-4), np.log(1e2), 61))
FEW_FUNCTIONS = 128
"""Up to this many functions, all cross products are computed at once, which is faster."""
SAME = 1e-6
"""A function adds nothing if others explain all but this share of its variance."""


def functions_of(codes: Codes, codec: ColumnCodec) -> Floats:
    """Return functions of a column's code as tables, float64 [functions, 256].

    An ordered column gives its standardized normal score and an indicator of missing; any other
    gives an indicator of each frequent level.
    """
    counts = np.bincount(codes, minlength=BINS).astype(np.float64)
    if not codec.has_natural_order:
        levels = np.argsort(-counts, kind="stable")[:MAX_LEVELS]
        often = np.minimum(counts[levels], codes.size - counts[levels]) >= MIN_ROWS
        return np.eye(BINS)[levels[often]]
    known = np.append(0.0, counts[1:])
    m = max(known.sum(), 1.0)
    score = ndtri(np.clip((np.cumsum(known) - known / 2.0) / m, 0.5 / m, 1.0 - 0.5 / m))
    mean = known @ score / m
    spread = np.sqrt(known @ (score - mean) ** 2 / m)
    found = [np.append(0.0, (score[1:] - mean) / spread)] if spread > SAME else []
    if min(counts[0], known.sum()) >= MIN_ROWS:
        found.append(np.eye(BINS)[0])
    return np.array(found).reshape(-1, BINS)


@dataclass(frozen=True)
class Design:
    """Values of the functions at the rows.

    Attributes:
        centered: values less their means, float64 [functions, rows].
        mean: float64 [functions].
        gram: cross products of the centered values, float64 [functions, functions].
        is_known: which rows of gram are filled in; with many functions only a few are needed.
    """

    centered: Floats
    mean: Floats
    gram: Floats
    is_known: Booleans


def design_of(bases: Sequence[Floats], codes: Codes, step: int) -> Design:
    """Return the design of every step-th row of codes, uint8 [columns, n]."""
    X = np.concatenate(
        [np.take(functions, x[::step], axis=1) for functions, x in zip(bases, codes, strict=True)]
    )
    mean = X.mean(axis=1)
    X -= mean[:, None]
    at_once = len(X) <= FEW_FUNCTIONS
    gram = X @ X.T if at_once else np.empty((len(X), len(X)))
    return Design(X, mean, gram, np.full(len(X), at_once))


def fit_slopes(design: Design, moment: Floats, square: float, n: int, price: float) -> Floats:
    """Return the slope of each function, float64 [functions]; 0 where it gains less than the price.

    moment: products of the functions with the centered target, float64 [functions]; square: sum of
    squares of the centered target; n: rows; price: nats that a slope must gain.
    """
    slopes = np.zeros(moment.size)
    selected = _select(
        design.centered, design.gram, design.is_known, moment.copy(), square, n, price
    )
    if selected.size:
        values, vectors = np.linalg.eigh(design.gram[np.ix_(selected, selected)])
        along = vectors.T @ moment[selected]
        slopes[selected] = vectors @ (along / (values + _ridge(values, along, square, n)))
    return slopes


def tables_of(bases: Sequence[Floats], mean: Floats, slopes: Floats) -> tuple[Ints, Floats]:
    """Return the columns with a slope, int32 [k], and what each code adds, float64 [k, 256]."""
    tables, used, begin = [], [], 0
    for j, functions in enumerate(bases):
        own = slice(begin, begin + len(functions))
        begin = own.stop
        if np.any(slopes[own]):
            tables.append(slopes[own] @ (functions - mean[own, None]))
            used.append(j)
    return np.array(used, np.int32), np.array(tables).reshape(-1, BINS)


@compiled
def _select(
    X: F8, gram: F8, is_known: Booleans, moment: F8, square: float, n: int, price: float
) -> I8:
    """Return the indices of the functions that enter, by forward selection.

    Orthogonal least squares (Chen, Billings & Luo, 1989) by a pivoted Cholesky factor: each step
    takes the function that reduces the residual most, given those before it. Fills in the rows of
    gram that it needs; overwrites moment, float64 [k].
    """
    size, left, entered = moment.shape[0], square, 0
    own, unexplained, is_in = np.empty(size), np.empty(size), np.zeros(size, np.bool_)
    for j in range(size):
        own[j] = unexplained[j] = gram[j, j] if is_known[j] else np.dot(X[j], X[j])
    selected, factor = np.empty(MAX_SLOPES, np.int64), np.empty((MAX_SLOPES, size))
    while entered < min(MAX_SLOPES, size):
        best, most = -1, 0.0
        for j in range(size):
            if (
                not is_in[j]
                and unexplained[j] > SAME * own[j]
                and moment[j] ** 2 > most * unexplained[j]
            ):
                best, most = j, moment[j] ** 2 / unexplained[j]
        after = max(left - most, SAME * square)
        if best < 0 or n / 2.0 * np.log(left / after) <= price:
            break
        if not is_known[best]:
            products = np.dot(X, X[best])
            for j in range(size):  # an assignment of a slice takes 4 s to compile
                gram[best, j] = products[j]
            is_known[best] = True
        row, root = factor[entered], np.sqrt(unexplained[best])
        for j in range(size):
            row[j] = gram[best, j]
        for i in range(entered):
            share = factor[i, best]
            for j in range(size):
                row[j] -= share * factor[i, j]
        for j in range(size):
            row[j] /= root
        slope = moment[best] / row[best]
        for j in range(size):
            moment[j] -= slope * row[j]
            unexplained[j] -= row[j] ** 2
        selected[entered], is_in[best], left = best, True, after
        entered += 1
    return selected[:entered]


def _ridge(values: Floats, along: Floats, square: float, n: int) -> float:
    """Return the ridge of highest evidence, from eigenvalues and moments in their basis."""
    ridges = RIDGES * n
    L, d = np.maximum(values, 0.0)[:, None], along[:, None] ** 2
    left = np.maximum(square - np.sum(d / (L + ridges), axis=0), SAME * square)
    surprise = (n - 1) / 2.0 * np.log(left) + 0.5 * np.log1p(L / ridges).sum(axis=0)
    return float(ridges[np.argmin(surprise)])

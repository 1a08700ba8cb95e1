"""Additive regressions on earlier columns: what each code of a column adds.

A slope is a parameter, so it pays for itself as a split does: functions of the columns enter one by
one while the likelihood gains more than a price; those that stay are shrunk by the ridge that the
evidence favors (MacKay, 1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from simulacra_trainer.families.codec import Codes, ColumnCodec, Floats
from simulacra_trainer.families.forest.kernels import BINS, F8, I8, compiled
from simulacra_trainer.families.forest.samplers import Booleans, Ints

MAX_SLOPES, MAX_LEVELS, MIN_ROWS = 40, 30, 5
MAX_FIT_ROWS = 20_000
RIDGES = np.exp(np.linspace(np.log(1e-4), np.log(1e2), 61))
FEW_FUNCTIONS = 128
"""The cross products of so many are computed at once, which is faster than one by one."""
SAME = 1e-6
"""A column of which others leave less than that share open adds nothing."""


def functions_of(codes: Codes, codec: ColumnCodec) -> Floats:
    """Return functions of a column's code, float64 [functions, 256]: of an ordered one the
    standardized normal score and whether it is missing, of others whether it is each of the
    frequent levels.
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
    """Functions at the rows less their means, float64 [functions, rows]; the means; and their cross
    products, float64 [functions, functions], of which the rows that are known are filled in (of
    many functions few are asked for).
    """

    centered: Floats
    mean: Floats
    gram: Floats
    is_known: Booleans


def design_of(bases: Sequence[Floats], codes: Codes, step: int) -> Design:
    """Return the design of every step-th row: codes uint8 [columns, n] through the bases."""
    X = np.concatenate(
        [np.take(functions, x[::step], axis=1) for functions, x in zip(bases, codes, strict=True)]
    )
    mean = X.mean(axis=1)
    X -= mean[:, None]
    at_once = len(X) <= FEW_FUNCTIONS
    gram = X @ X.T if at_once else np.empty((len(X), len(X)))
    return Design(X, mean, gram, np.full(len(X), at_once))


def fit_slopes(design: Design, moment: Floats, square: float, n: int, price: float) -> Floats:
    """Return the slope of each function, float64 [functions], 0 where it does not pay.

    Args:
        design: of the rows.
        moment: products of the functions with the target less its mean, float64 [functions].
        square: sum of squares of that.
        n: rows.
        price: nats that a slope must gain.
    """
    slopes = np.zeros(moment.size)
    kept = _select(design.centered, design.gram, design.is_known, moment.copy(), square, n, price)
    if kept.size:
        values, vectors = np.linalg.eigh(design.gram[np.ix_(kept, kept)])
        along = vectors.T @ moment[kept]
        slopes[kept] = vectors @ (along / (values + _ridge(values, along, square, n)))
    return slopes


def tables_of(bases: Sequence[Floats], mean: Floats, slopes: Floats) -> tuple[Ints, Floats]:
    """Return columns with a slope, int32 [k], and what each code adds, float64 [k, 256]."""
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
    """Return the functions that enter, each the one that gains most beside those before it
    (orthogonal least squares, Chen, Billings & Luo, 1989, by a pivoted Cholesky factor). Rows of
    gram that are asked for are filled in; moment, float64 [k], is used up.
    """
    size, left, entered = moment.shape[0], square, 0
    own, open_, is_in = np.empty(size), np.empty(size), np.zeros(size, np.bool_)
    for j in range(size):
        own[j] = open_[j] = gram[j, j] if is_known[j] else np.dot(X[j], X[j])
    kept, factor = np.empty(MAX_SLOPES, np.int64), np.empty((MAX_SLOPES, size))
    while entered < min(MAX_SLOPES, size):
        best, most = -1, 0.0
        for j in range(size):
            if not is_in[j] and open_[j] > SAME * own[j] and moment[j] ** 2 > most * open_[j]:
                best, most = j, moment[j] ** 2 / open_[j]
        after = max(left - most, SAME * square)
        if best < 0 or n / 2.0 * np.log(left / after) <= price:
            break
        if not is_known[best]:
            gram[best], is_known[best] = np.dot(X, X[best]), True
        row = factor[entered]
        row[:] = gram[best]
        for i in range(entered):
            row -= factor[i, best] * factor[i]
        row /= np.sqrt(open_[best])
        moment -= (moment[best] / row[best]) * row
        open_ -= row**2
        kept[entered], is_in[best], left = best, True, after
        entered += 1
    return kept[:entered]


def _ridge(values: Floats, along: Floats, square: float, n: int) -> float:
    """Return the ridge of highest evidence from eigenvalues and moments along them."""
    ridges = RIDGES * n
    L, d = np.maximum(values, 0.0)[:, None], along[:, None] ** 2
    left = np.maximum(square - np.sum(d / (L + ridges), axis=0), SAME * square)
    surprise = (n - 1) / 2.0 * np.log(left) + 0.5 * np.log1p(L / ridges).sum(axis=0)
    return float(ridges[np.argmin(surprise)])

"""Numbers as normal scores that follow an additive regression: what a leaf cannot say where rows are few.

A number is turned into the normal score of its rank (Hoff, 2007, for copulas; Masarotto & Varin, 2012, for regression
margins), the score is regressed on the scores of earlier numbers and the levels of earlier categories, and a penalised
tree draws what is left. A slope is a parameter, so it pays for itself as a split does: columns enter one by one while
the likelihood gains more than a price that rises with the penalty; the slopes that stay are shrunk by the ridge that
the evidence favours (MacKay, 1992). Rows that share a value share an interval of scores; where they lie in it is
imputed from the regression, as in an ordered probit (Albert & Chib, 1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from simulacra_trainer.families.codec import Codes, ColumnCodec, Floats
from simulacra_trainer.families.forest.kernels import BINS, F8, I8, compiled
from simulacra_trainer.families.forest.parts import BELOW_ONE, Booleans, Ints
from simulacra_trainer.families.forest.walk import added

SLOPE_NATS = 40.0
"""The penalty at which a slope pays as much as a split; below, its price falls by the square. A split is chosen among
all columns and all their thresholds, a slope among columns: in the middle of the dial it pays a quarter.
"""
MOST_SLOPES, MOST_LEVELS, FEWEST_ROWS = 40, 30, 5
MOST_FIT_ROWS = 20_000
ROUNDS, TIED = 6, 0.05
"""So many times scores of tied rows are imputed, where more than that share of the rows is tied."""
RIDGES = np.exp(np.linspace(np.log(1e-4), np.log(1e2), 61))
FEW_FUNCTIONS = 128
"""The cross products of so many are computed at once, which is faster than one by one."""
SAME = 1e-6
"""A column of which others leave less than that share open adds nothing."""


@dataclass(frozen=True)
class Additive:
    """A fitted regression of scores.

    Attributes:
        columns: which of the predictors have a slope, int32 [k].
        tables: what each code of these adds, float64 [k, 256].
        scores: of the rows that it was fit for, float64 [n].
        expected: what it says of them, float64 [n].
    """

    columns: Ints
    tables: Floats
    scores: Floats
    expected: Floats


def fit_additive(
    codes: Codes, bases: Sequence[Floats], values: Floats, penalty: float, rng: np.random.Generator
) -> Additive:
    """Fit the regression.

    Args:
        codes: predictor codes of the earlier columns, uint8 [columns, n].
        bases: `functions_of` the same columns.
        values: the numbers, float64 [n], none missing.
        penalty: nats, of the forest.
        rng: where tied rows lie among themselves.
    """
    low, high = _tie_ends(values)
    step = -(-values.size // MOST_FIT_ROWS)
    design = _design(bases, codes, step)
    slopes = _slopes(design, low[::step], high[::step], 0.5 + penalty**2 / SLOPE_NATS)
    tables, used, begin = [], [], 0
    for j, functions in enumerate(bases):
        own = slice(begin, begin + len(functions))
        begin = own.stop
        if np.any(slopes[own]):
            tables.append(slopes[own] @ (functions - design.mean[own, None]))
            used.append(j)
    columns, table = np.array(used, np.int32), np.array(tables).reshape(-1, BINS)
    rows = np.arange(values.size, dtype=np.int32)
    expected = added(codes, rows, columns, table)
    inside = _imputed(expected, ndtri(low), ndtri(high), rng.random(values.size))
    scores = np.where(_is_tied(low, high), inside, ndtri((low + high) / 2.0))
    return Additive(columns, table, scores, expected)


def functions_of(codes: Codes, codec: ColumnCodec) -> Floats:
    """Return functions of a column's code, float64 [functions, 256]: of an ordered one the standardised normal score
    and whether it is missing, of others whether it is each of the frequent levels.
    """
    counts = np.bincount(codes, minlength=BINS).astype(np.float64)
    if not codec.has_natural_order:
        levels = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
        often = np.minimum(counts[levels], codes.size - counts[levels]) >= FEWEST_ROWS
        return np.eye(BINS)[levels[often]]
    known = np.append(0.0, counts[1:])
    m = max(known.sum(), 1.0)
    score = ndtri(np.clip((np.cumsum(known) - known / 2.0) / m, 0.5 / m, 1.0 - 0.5 / m))
    mean = known @ score / m
    spread = np.sqrt(known @ (score - mean) ** 2 / m)
    found = [np.append(0.0, (score[1:] - mean) / spread)] if spread > SAME else []
    if min(counts[0], known.sum()) >= FEWEST_ROWS:
        found.append(np.eye(BINS)[0])
    return np.array(found).reshape(-1, BINS)


@dataclass(frozen=True)
class _Design:
    """Functions at the rows less their means, float64 [functions, rows]; the means; and their cross products, float64
    [functions, functions], of which the rows that are known are filled in (of many functions few are asked for).
    """

    centred: Floats
    mean: Floats
    gram: Floats
    is_known: Booleans


def _design(bases: Sequence[Floats], codes: Codes, step: int) -> _Design:
    X = np.concatenate([np.take(functions, x[::step], axis=1) for functions, x in zip(bases, codes, strict=True)])
    mean = X.mean(axis=1)
    X -= mean[:, None]
    at_once = len(X) <= FEW_FUNCTIONS
    gram = X @ X.T if at_once else np.empty((len(X), len(X)))
    return _Design(X, mean, gram, np.full(len(X), at_once))


def _slopes(design: _Design, low: Floats, high: Floats, price: float) -> Floats:
    """Return the slope of each function, 0 where it does not pay; tied scores are imputed and it is fit again."""
    a, b, tied = ndtri(low), ndtri(high), _is_tied(low, high)
    scores = ndtri((low + high) / 2.0)
    for _ in range(ROUNDS if tied.mean() > TIED else 1):
        y = scores - scores.mean()
        slopes = _fit(design, design.centred @ y, float(y @ y), y.size, price)
        scores = np.where(tied, _imputed(slopes @ design.centred, a, b, None), scores)
    return slopes


def _fit(design: _Design, moment: Floats, square: float, n: int, price: float) -> Floats:
    slopes = np.zeros(moment.size)
    kept = _worth(design.centred, design.gram, design.is_known, moment.copy(), square, n, price)
    if kept.size:
        values, vectors = np.linalg.eigh(design.gram[np.ix_(kept, kept)])
        along = vectors.T @ moment[kept]
        slopes[kept] = vectors @ (along / (values + _ridge(values, along, square, n)))
    return slopes


@compiled
def _worth(X: F8, gram: F8, is_known: Booleans, moment: F8, square: float, n: int, price: float) -> I8:
    """Return the functions that enter, each the one that gains most beside those before it (orthogonal least squares,
    Chen, Billings & Luo, 1989, by a pivoted Cholesky factor). Rows of gram that are asked for are filled in; moment,
    float64 [k], is used up.
    """
    size, left, entered = moment.shape[0], square, 0
    own, open_, is_in = np.empty(size), np.empty(size), np.zeros(size, np.bool_)
    for j in range(size):
        own[j] = open_[j] = gram[j, j] if is_known[j] else np.dot(X[j], X[j])
    kept, factor = np.empty(MOST_SLOPES, np.int64), np.empty((MOST_SLOPES, size))
    while entered < min(MOST_SLOPES, size):
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
    """Return the ridge of the highest evidence, given the cross products' eigenvalues and the moments along them."""
    ridges = RIDGES * n
    L, d = np.maximum(values, 0.0)[:, None], along[:, None] ** 2
    left = np.maximum(square - np.sum(d / (L + ridges), axis=0), SAME * square)
    surprise = (n - 1) / 2.0 * np.log(left) + 0.5 * np.log1p(L / ridges).sum(axis=0)
    return float(ridges[np.argmin(surprise)])


def _tie_ends(values: Floats) -> tuple[Floats, Floats]:
    """Return the shares of the rows below each row's value and up to it, float64 [n] each."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    upto = np.cumsum(counts)
    at = inverse.reshape(-1)
    return (upto - counts)[at] / values.size, upto[at] / values.size


def _is_tied(low: Floats, high: Floats) -> Booleans:
    return np.round((high - low) * low.size) > 1


def _imputed(expected: Floats, a: Floats, b: Floats, u: Floats | None) -> Floats:
    """Return scores between a and b: the mean of a normal about what is expected, or its quantile u, float64 [n]."""
    spread = np.sqrt(max(1.0 - float(expected.var()), SAME))
    a, b = (a - expected) / spread, (b - expected) / spread
    # both ends on the side where the distribution function does not round to 1
    sign = np.where(a > 0.0, -1.0, 1.0)
    a, b = np.where(sign > 0, a, -b), np.where(sign > 0, b, -a)
    below, upto = ndtr(a), ndtr(b)
    mass = np.maximum(upto - below, 1e-300)
    if u is None:
        inside = (np.exp(-0.5 * a**2) - np.exp(-0.5 * b**2)) / (np.sqrt(2.0 * np.pi) * mass)
    else:
        inside = ndtri(np.clip(below + u * mass, 1e-300, BELOW_ONE))
    return expected + spread * sign * np.clip(inside, a, b)

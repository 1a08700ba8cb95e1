"""Penalised spline regression of a number on other columns, its smoothness set by restricted likelihood.

Cubic B-splines of every number, tensor products of the first pairs of numbers, an indicator for each code of a
category (Eilers & Marx, 1996); of few numbers also splines with even knots, which are right where a curve is smooth on
the number's own scale, and waves of all of them together (random Fourier features, Rahimi & Recht, 2007). Each term
has its own penalty, found by the generalised Fellner-Schall iteration (Wood & Fasiolo, 2017): a term that explains
nothing is shrunk away, so nothing has to be selected or tuned.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline
from scipy.linalg import cho_factor, cho_solve

from simulacra_trainer.families.codec import Floats

DEGREE = 3
KNOTS, EVEN_KNOTS, PAIR_KNOTS = 32, 24, 8
MOST_PAIRS, MOST_EVEN = 3, 3
WAVES, MOST_WAVED, FEWEST_ROWS = 64, 3, 500
"""So many waves of at most so many numbers, where there are so many rows."""
ROUNDS, SETTLED = 20, 0.05
MOST_FIT_ROWS, BLOCK = 20_000, 8_192
RIDGE, PAIR_RIDGE = 1e-6, 0.1
"""What a penalty charges for the size of slopes beside their bends: next to nothing for a line, so that straight
effects cost nothing; much for a pair, so that it holds only what two lines cannot and fades where no rows are.
"""


@dataclass(frozen=True)
class Spline:
    """Cubic B-splines of one number between its smallest and largest knot, flat outside; bends: which differences of
    the slopes are charged for.
    """

    knots: Floats
    bends: int = 2

    def basis(self, values: Floats) -> Floats:
        """Return the functions at each value, float64 [n, functions]; a missing value stands at the middle knot."""
        return BSpline.design_matrix(self._inside(values), self._padded(), DEGREE).toarray()

    def curve(self, values: Floats, slopes: Floats) -> Floats:
        """Return the functions' sum at each value, float64 [n], without their table."""
        out: Floats = BSpline(self._padded(), slopes, DEGREE)(self._inside(values))
        return out

    def penalty(self) -> Floats:
        """Return the quadratic form that charges for bends: squared differences of the slopes."""
        size = self.knots.size + DEGREE - 1
        bend = np.diff(np.eye(size), self.bends, axis=0)
        form: Floats = bend.T @ bend
        return form / np.trace(form) + RIDGE / size * np.eye(size)

    def _inside(self, values: Floats) -> Floats:
        low, high = self.knots[0], self.knots[-1]
        known = np.where(np.isnan(values), self.knots[self.knots.size // 2], values)
        return np.clip(known, low, np.nextafter(high, low))

    def _padded(self) -> Floats:
        return np.concatenate([[self.knots[0]] * DEGREE, self.knots, [self.knots[-1]] * DEGREE])


def spline_of(values: Floats, knots: int) -> Spline | None:
    """Return splines with knots at quantiles; None where there is nothing to bend."""
    known = values[~np.isnan(values)]
    at = np.unique(np.quantile(known, np.linspace(0.0, 1.0, knots))) if known.size else np.empty(0)
    return Spline(at) if at.size > 1 else None


def even_spline_of(values: Floats) -> Spline | None:
    """Return splines with knots at even distances, which let a square bend for free."""
    known = values[~np.isnan(values)]
    if not known.size or known.min() == known.max():
        return None
    return Spline(np.linspace(known.min(), known.max(), EVEN_KNOTS), bends=3)


@dataclass(frozen=True)
class Line:
    """The term of one number: its position among the columns and its splines."""

    column: int
    spline: Spline

    def basis(self, columns: Sequence[Floats]) -> Floats:
        """Return float64 [n, functions]."""
        return self.spline.basis(columns[self.column])

    def value(self, columns: Sequence[Floats], slopes: Floats) -> Floats:
        """Return the term, float64 [n]."""
        return self.spline.curve(columns[self.column], slopes)

    def penalty(self) -> Floats:
        """Return the quadratic form that is charged."""
        return self.spline.penalty()


@dataclass(frozen=True)
class Pair:
    """The term of two numbers together: the tensor product of their splines."""

    first: Line
    second: Line

    def basis(self, columns: Sequence[Floats]) -> Floats:
        """Return float64 [n, functions]."""
        a, b = self.first.basis(columns), self.second.basis(columns)
        return (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)

    def value(self, columns: Sequence[Floats], slopes: Floats) -> Floats:
        """Return the term, float64 [n], without the product's table."""
        a, b = self.first.basis(columns), self.second.basis(columns)
        return np.einsum("ij,ij->i", a @ slopes.reshape(a.shape[1], -1), b)

    def penalty(self) -> Floats:
        """Return the quadratic form that is charged."""
        a, b = self.first.penalty(), self.second.penalty()
        bends = np.kron(a, np.eye(len(b))) / len(b) + np.kron(np.eye(len(a)), b) / len(a)
        return bends + PAIR_RIDGE / len(bends) * np.eye(len(bends))


@dataclass(frozen=True)
class Steps:
    """The term of one category: an own level of the number for each of so many codes."""

    column: int
    codes: int

    def basis(self, columns: Sequence[Floats]) -> Floats:
        """Return float64 [n, codes]."""
        return np.eye(self.codes)[columns[self.column].astype(np.int64)]

    def value(self, columns: Sequence[Floats], slopes: Floats) -> Floats:
        """Return the term, float64 [n]."""
        out: Floats = slopes[columns[self.column].astype(np.int64)]
        return out

    def penalty(self) -> Floats:
        """Return the quadratic form that is charged."""
        return np.eye(self.codes) / self.codes


@dataclass(frozen=True)
class Waves:
    """The term of several numbers together: waves in random directions, the features of a Gaussian kernel.

    Attributes:
        columns: the numbers, k of them.
        centre: their means, float64 [k].
        frequencies: float64 [k, waves].
    """

    columns: tuple[int, ...]
    centre: Floats
    frequencies: Floats

    def basis(self, columns: Sequence[Floats]) -> Floats:
        """Return cosines and sines, float64 [n, 2 waves]; a missing value stands at the mean."""
        apart = np.column_stack([columns[j] for j in self.columns]) - self.centre
        angle = (np.nan_to_num(apart, copy=False) @ self.frequencies).astype(np.float32)  # ten times as fast
        return np.hstack([np.cos(angle), np.sin(angle)])

    def value(self, columns: Sequence[Floats], slopes: Floats) -> Floats:
        """Return the term, float64 [n]."""
        out: Floats = self.basis(columns) @ slopes
        return out

    def penalty(self) -> Floats:
        """Return the quadratic form that is charged."""
        size = 2 * self.frequencies.shape[1]
        return np.eye(size) / size


def waves_of(columns: Sequence[Floats], numbers: Sequence[int]) -> Waves:
    """Return waves whose kernel is as wide as a standard deviation of each number; the directions are always the same.

    numbers: which of the columns, none of them constant.
    """
    values = [columns[j] for j in numbers]
    centre, spread = np.array([np.nanmean(v) for v in values]), np.array([np.nanstd(v) for v in values])
    directions = np.random.default_rng(5).normal(size=(len(values), WAVES))
    return Waves(tuple(numbers), centre, directions / spread[:, None])


Term = Line | Pair | Steps | Waves


@dataclass(frozen=True)
class Smooth:
    """A fitted regression: terms with their slopes, and the constant beside them."""

    terms: tuple[Term, ...]
    slopes: tuple[Floats, ...]
    constant: float

    def at(self, columns: Sequence[Floats]) -> Floats:
        """Return the expected number, float64 [n], for columns as they were fit."""
        out = np.full(columns[0].size, self.constant)
        for begin in range(0, out.size, BLOCK):
            block = [column[begin : begin + BLOCK] for column in columns]
            for term, slopes in zip(self.terms, self.slopes, strict=True):
                out[begin : begin + BLOCK] += term.value(block, slopes)
        return out


def fit_smooth(columns: Sequence[Floats], codes: Sequence[int], target: Floats) -> Smooth:
    """Fit the regression.

    Args:
        columns: float64 [n] each, the most telling first; of a category the predictor codes.
        codes: how many codes a category has, 0 for a number.
        target: float64 [n], none missing.
    """
    step = -(-target.size // MOST_FIT_ROWS)
    some, y = [column[::step] for column in columns], target[::step]
    terms = _terms(some, codes)
    if not terms:
        return Smooth((), (), float(y.mean()))
    forms = [form / np.trace(form) for form in (term.penalty() for term in terms)]
    ends = np.cumsum([len(form) for form in forms])
    parts = [slice(end - len(form), end) for end, form in zip(ends, forms, strict=True)]
    moments = _moments(terms, some, y - y.mean(), int(ends[-1]))
    kept, solution = _needed(moments, forms, parts, [_inside(term, terms) for term in terms])
    constant = y.mean() - sum(float(moments.mean[parts[i]] @ b) for i, b in zip(kept, solution.slopes, strict=True))
    return Smooth(tuple(terms[i] for i in kept), tuple(solution.slopes), float(constant))


def _terms(columns: Sequence[Floats], codes: Sequence[int]) -> list[Term]:
    terms: list[Term] = [Steps(j, size) for j, size in enumerate(codes) if size]
    numbers = [j for j, size in enumerate(codes) if not size and spline_of(columns[j], PAIR_KNOTS) is not None]
    few = numbers[:MOST_EVEN] if columns[0].size >= FEWEST_ROWS else []
    terms += [Line(j, spline) for j in few if (spline := even_spline_of(columns[j])) is not None]
    for knots in (KNOTS, PAIR_KNOTS):
        lines = [Line(j, spline) for j in numbers if (spline := spline_of(columns[j], knots)) is not None]
        if knots == KNOTS:
            terms += lines
        else:
            terms += [Pair(a, b) for a, b in itertools.islice(_triangle(lines), MOST_PAIRS)]
    if 1 < len(few) == len(numbers) <= MOST_WAVED:
        terms.append(waves_of(columns, numbers))
    return terms


def _triangle(lines: Sequence[Line]) -> list[tuple[Line, Line]]:
    """Return all pairs, those of the first lines first."""
    return [(lines[i], lines[j]) for j in range(1, len(lines)) for i in range(j)]


@dataclass(frozen=True)
class Moments:
    """Cross products of all functions and with the target, both centred; the functions' means; the sum of squares of
    the centred target and the number of rows.
    """

    gram: Floats
    moment: Floats
    mean: Floats
    square: float
    rows: int


@dataclass(frozen=True)
class Solution:
    """The slopes of each term, and the information criterion (Schwarz, 1978; smaller is better)."""

    slopes: list[Floats]
    criterion: float


def _moments(terms: Sequence[Term], columns: Sequence[Floats], y: Floats, width: int) -> Moments:
    gram, moment, total = np.zeros((width, width)), np.zeros(width), np.zeros(width)
    for begin in range(0, y.size, BLOCK):
        block = [column[begin : begin + BLOCK] for column in columns]
        basis = np.hstack([term.basis(block) for term in terms])
        gram += basis.T @ basis
        moment += basis.T @ y[begin : begin + BLOCK]
        total += basis.sum(axis=0)
    return Moments(gram - np.outer(total, total) / y.size, moment, total / y.size, float(y @ y), y.size)


def _inside(term: Term, terms: Sequence[Term]) -> set[int]:
    """Return the pairs that a line is part of: while one of them stays, so does the line (Nelder, 1977)."""
    if not isinstance(term, Line):
        return set()
    return {
        i for i, of in enumerate(terms) if isinstance(of, Pair) and term.column in (of.first.column, of.second.column)
    }


def _needed(
    moments: Moments, forms: Sequence[Floats], parts: Sequence[slice], inside: Sequence[set[int]]
) -> tuple[list[int], Solution]:
    """Leave out, from the last term on, each that costs more freedom than it explains; return who stays."""

    def solve(chosen: Sequence[int]) -> Solution:
        return _by_restricted_likelihood(moments, [forms[i] for i in chosen], [parts[i] for i in chosen])

    kept = list(range(len(forms)))
    best = solve(kept)
    for i in reversed(range(len(forms))):
        fewer = [k for k in kept if k != i]
        if fewer and not inside[i] & set(kept) and (tried := solve(fewer)).criterion < best.criterion:
            kept, best = fewer, tried
    return kept, best


def _by_restricted_likelihood(moments: Moments, forms: Sequence[Floats], parts: Sequence[slice]) -> Solution:
    """Find the weights of the penalties and the slopes for the terms in these parts of the functions."""
    at = np.concatenate([np.arange(part.start, part.stop) for part in parts])
    gram, moment = moments.gram[np.ix_(at, at)], moments.moment[at]
    ends = np.cumsum([len(form) for form in forms])
    own = [slice(end - len(form), end) for end, form in zip(ends, forms, strict=True)]
    forms = [form * max(np.trace(gram[part, part]), 1e-12) for form, part in zip(forms, own, strict=True)]
    weights, floor = np.ones(len(forms)), 1e-10 * np.trace(gram) / len(gram)
    for _ in range(ROUNDS):
        whole = gram + floor * np.eye(len(gram))
        for weight, form, part in zip(weights, forms, own, strict=True):
            whole[part, part] += weight * form
        inverse = cho_solve(cho_factor(whole), np.eye(len(gram)))
        slopes = inverse @ moment
        free = float(np.sum(inverse * gram)) + 1.0
        left = max(moments.square - 2 * slopes @ moment + slopes @ gram @ slopes, 1e-12 * moments.square)
        noise = left / max(moments.rows - free, 1.0)
        new = np.empty_like(weights)
        for i, (form, part) in enumerate(zip(forms, own, strict=True)):
            spent = len(form) - weights[i] * np.sum(inverse[part, part] * form)
            bent = slopes[part] @ form @ slopes[part]
            new[i] = np.clip(noise * max(spent, 1e-9) / max(bent, 1e-300), 1e-9, 1e6)
        if np.max(np.abs(np.log(new / weights))) < SETTLED:
            break
        weights = new
    criterion = moments.rows * np.log(max(left, 1e-300)) + np.log(moments.rows) * free
    return Solution([slopes[part] for part in own], float(criterion))

"""Penalized spline regression of a number on other columns; REML sets the smoothness.

Terms (Eilers & Marx, 1996): cubic B-splines of every number, tensor products of the first pairs of
numbers, an indicator for each code of a category. With few numbers also splines with equidistant
knots, which suit curves that are smooth on the number's own scale, and random Fourier features of
all numbers together (Rahimi & Recht, 2007). Each term has its own penalty, found by the generalized
Fellner-Schall iteration (Wood & Fasiolo, 2017), which shrinks useless terms to zero. So nothing has
to be selected or tuned by hand.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from simulacra_trainer.families.codec import Floats
from simulacra_trainer.families.forest.regression.spline_terms import (
    Line,
    Pair,
    Steps,
    Term,
    even_spline_of,
    spline_of,
    waves_of,
)

KNOTS, PAIR_KNOTS = 32, 8
MAX_PAIRS, MAX_EVEN = 3, 3
MAX_WAVED, MIN_ROWS = 3, 500
"""Waves need at most MAX_WAVED numbers and at least MIN_ROWS rows."""
ROUNDS, SETTLED = 20, 0.05
MAX_FIT_ROWS, BLOCK = 20_000, 8_192


@dataclass(frozen=True)
class Smooth:
    """A fitted regression: terms with their slopes, and a constant."""

    terms: tuple[Term, ...]
    slopes: tuple[Floats, ...]
    constant: float

    def at(self, columns: Sequence[Floats]) -> Floats:
        """Return predictions, float64 [n], for columns in the order of the fit."""
        out = np.full(columns[0].size, self.constant)
        for begin in range(0, out.size, BLOCK):
            block = [column[begin : begin + BLOCK] for column in columns]
            for term, slopes in zip(self.terms, self.slopes, strict=True):
                out[begin : begin + BLOCK] += term.value(block, slopes)
        return out


def fit_smooth(columns: Sequence[Floats], codes: Sequence[int], target: Floats) -> Smooth:
    """Fit the regression.

    columns: float64 [n] each, most informative first, a category as predictor codes; codes: how
    many codes a category has, 0 for a number.
    """
    step = -(-target.size // MAX_FIT_ROWS)
    some, y = [column[::step] for column in columns], target[::step]
    terms = _terms(some, codes)
    if not terms:
        return Smooth((), (), float(y.mean()))
    penalties = [penalty / np.trace(penalty) for penalty in (term.penalty() for term in terms)]
    ends = np.cumsum([len(penalty) for penalty in penalties])
    spans = [slice(end - len(penalty), end) for end, penalty in zip(ends, penalties, strict=True)]
    moments = _moments(terms, some, y - y.mean(), int(ends[-1]))
    used, solution = _needed(moments, penalties, spans, [_inside(term, terms) for term in terms])
    constant = y.mean() - sum(
        float(moments.mean[spans[i]] @ b) for i, b in zip(used, solution.slopes, strict=True)
    )
    return Smooth(tuple(terms[i] for i in used), tuple(solution.slopes), float(constant))


def _terms(columns: Sequence[Floats], codes: Sequence[int]) -> list[Term]:
    terms: list[Term] = [Steps(j, size) for j, size in enumerate(codes) if size]
    numbers = [
        j
        for j, size in enumerate(codes)
        if not size and spline_of(columns[j], PAIR_KNOTS) is not None
    ]
    few = numbers[:MAX_EVEN] if columns[0].size >= MIN_ROWS else []
    terms += [Line(j, spline) for j in few if (spline := even_spline_of(columns[j])) is not None]
    for knots in (KNOTS, PAIR_KNOTS):
        lines = [
            Line(j, spline) for j in numbers if (spline := spline_of(columns[j], knots)) is not None
        ]
        if knots == KNOTS:
            terms += lines
        else:
            terms += [Pair(a, b) for a, b in itertools.islice(_triangle(lines), MAX_PAIRS)]
    if 1 < len(few) == len(numbers) <= MAX_WAVED:
        terms.append(waves_of(columns, numbers))
    return terms


def _triangle(lines: Sequence[Line]) -> list[tuple[Line, Line]]:
    """Return all pairs of lines, pairs of the first lines first."""
    return [(lines[i], lines[j]) for j in range(1, len(lines)) for i in range(j)]


@dataclass(frozen=True)
class Moments:
    """Sufficient statistics of the regression, centered.

    Attributes:
        gram: cross products of the functions, float64 [functions, functions].
        moment: products with the target, float64 [functions].
        mean: of the functions, float64 [functions].
        square: sum of squares of the target.
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
    return Moments(
        gram - np.outer(total, total) / y.size, moment, total / y.size, float(y @ y), y.size
    )


def _inside(term: Term, terms: Sequence[Term]) -> set[int]:
    """Return the pairs that contain a line; it stays while they do (marginality; Nelder, 1977)."""
    if not isinstance(term, Line):
        return set()
    return {
        i
        for i, of in enumerate(terms)
        if isinstance(of, Pair) and term.column in (of.first.column, of.second.column)
    }


def _needed(
    moments: Moments,
    penalties: Sequence[Floats],
    spans: Sequence[slice],
    inside: Sequence[set[int]],
) -> tuple[list[int], Solution]:
    """Drop terms, last first, while the criterion improves; return the rest and its fit."""

    def solve(chosen: Sequence[int]) -> Solution:
        return _by_restricted_likelihood(
            moments, [penalties[i] for i in chosen], [spans[i] for i in chosen]
        )

    used = list(range(len(penalties)))
    best = solve(used)
    for i in reversed(range(len(penalties))):
        fewer = [k for k in used if k != i]
        if not fewer or inside[i] & set(used):
            continue
        tried = solve(fewer)
        if tried.criterion < best.criterion:
            used, best = fewer, tried
    return used, best


def _by_restricted_likelihood(
    moments: Moments, penalties: Sequence[Floats], spans: Sequence[slice]
) -> Solution:
    """Return the slopes of the terms in these spans, with penalty weights chosen by REML."""
    at = np.concatenate([np.arange(span.start, span.stop) for span in spans])
    gram, moment = moments.gram[np.ix_(at, at)], moments.moment[at]
    ends = np.cumsum([len(penalty) for penalty in penalties])
    own = [slice(end - len(penalty), end) for end, penalty in zip(ends, penalties, strict=True)]
    penalties = [
        penalty * max(np.trace(gram[span, span]), 1e-12)
        for penalty, span in zip(penalties, own, strict=True)
    ]
    weights, floor = np.ones(len(penalties)), 1e-10 * np.trace(gram) / len(gram)
    for _ in range(ROUNDS):
        whole = gram + floor * np.eye(len(gram))
        for weight, penalty, span in zip(weights, penalties, own, strict=True):
            whole[span, span] += weight * penalty
        inverse = cho_solve(cho_factor(whole), np.eye(len(gram)))
        slopes = inverse @ moment
        free = float(np.sum(inverse * gram)) + 1.0
        left = max(
            moments.square - 2 * slopes @ moment + slopes @ gram @ slopes, 1e-12 * moments.square
        )
        noise = left / max(moments.rows - free, 1.0)
        new = np.empty_like(weights)
        for i, (penalty, span) in enumerate(zip(penalties, own, strict=True)):
            spent = len(penalty) - weights[i] * np.sum(inverse[span, span] * penalty)
            bent = slopes[span] @ penalty @ slopes[span]
            new[i] = np.clip(noise * max(spent, 1e-9) / max(bent, 1e-300), 1e-9, 1e6)
        if np.max(np.abs(np.log(new / weights))) < SETTLED:
            break
        weights = new
    criterion = moments.rows * np.log(max(left, 1e-300)) + np.log(moments.rows) * free
    return Solution([slopes[span] for span in own], float(criterion))

"""Penalized spline regression of a number on other columns, its smoothness set by restricted
likelihood.

Cubic B-splines of every number, tensor products of the first pairs of numbers, an indicator for
each code of a category (Eilers & Marx, 1996); of few numbers also splines with even knots, which
are right where a curve is smooth on the number's own scale, and waves of all of them together
(random Fourier features, Rahimi & Recht, 2007). Each term has its own penalty, found by the
generalized Fellner-Schall iteration (Wood & Fasiolo, 2017): a term that explains nothing is shrunk
away, so nothing has to be selected or tuned.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from simulacra_trainer.families.codec import Floats
from simulacra_trainer.families.forest.spline_terms import (
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
"""Waves are of at most so many numbers, where there are so many rows."""
ROUNDS, SETTLED = 20, 0.05
MAX_FIT_ROWS, BLOCK = 20_000, 8_192


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
    step = -(-target.size // MAX_FIT_ROWS)
    some, y = [column[::step] for column in columns], target[::step]
    terms = _terms(some, codes)
    if not terms:
        return Smooth((), (), float(y.mean()))
    forms = [form / np.trace(form) for form in (term.penalty() for term in terms)]
    ends = np.cumsum([len(form) for form in forms])
    parts = [slice(end - len(form), end) for end, form in zip(ends, forms, strict=True)]
    moments = _moments(terms, some, y - y.mean(), int(ends[-1]))
    kept, solution = _needed(moments, forms, parts, [_inside(term, terms) for term in terms])
    constant = y.mean() - sum(
        float(moments.mean[parts[i]] @ b) for i, b in zip(kept, solution.slopes, strict=True)
    )
    return Smooth(tuple(terms[i] for i in kept), tuple(solution.slopes), float(constant))


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
    """Return all pairs, those of the first lines first."""
    return [(lines[i], lines[j]) for j in range(1, len(lines)) for i in range(j)]


@dataclass(frozen=True)
class Moments:
    """Cross products of all functions and with the target, both centered; the functions' means; the
    sum of squares of the centered target and the number of rows.
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
    """Return the pairs that contain a line; they keep it in the model (Nelder, 1977)."""
    if not isinstance(term, Line):
        return set()
    return {
        i
        for i, of in enumerate(terms)
        if isinstance(of, Pair) and term.column in (of.first.column, of.second.column)
    }


def _needed(
    moments: Moments, forms: Sequence[Floats], parts: Sequence[slice], inside: Sequence[set[int]]
) -> tuple[list[int], Solution]:
    """Drop terms, last first, that cost more freedom than they explain; return the rest."""

    def solve(chosen: Sequence[int]) -> Solution:
        return _by_restricted_likelihood(
            moments, [forms[i] for i in chosen], [parts[i] for i in chosen]
        )

    kept = list(range(len(forms)))
    best = solve(kept)
    for i in reversed(range(len(forms))):
        fewer = [k for k in kept if k != i]
        if (
            fewer
            and not inside[i] & set(kept)
            and (tried := solve(fewer)).criterion < best.criterion
        ):
            kept, best = fewer, tried
    return kept, best


def _by_restricted_likelihood(
    moments: Moments, forms: Sequence[Floats], parts: Sequence[slice]
) -> Solution:
    """Find penalty weights and slopes of the terms in these parts of the functions."""
    at = np.concatenate([np.arange(part.start, part.stop) for part in parts])
    gram, moment = moments.gram[np.ix_(at, at)], moments.moment[at]
    ends = np.cumsum([len(form) for form in forms])
    own = [slice(end - len(form), end) for end, form in zip(ends, forms, strict=True)]
    forms = [
        form * max(np.trace(gram[part, part]), 1e-12) for form, part in zip(forms, own, strict=True)
    ]
    weights, floor = np.ones(len(forms)), 1e-10 * np.trace(gram) / len(gram)
    for _ in range(ROUNDS):
        whole = gram + floor * np.eye(len(gram))
        for weight, form, part in zip(weights, forms, own, strict=True):
            whole[part, part] += weight * form
        inverse = cho_solve(cho_factor(whole), np.eye(len(gram)))
        slopes = inverse @ moment
        free = float(np.sum(inverse * gram)) + 1.0
        left = max(
            moments.square - 2 * slopes @ moment + slopes @ gram @ slopes, 1e-12 * moments.square
        )
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

"""The effect of a numeric treatment: residuals of the outcome on residuals of a spline.

What the adjustment columns leave of the outcome is regressed on what they leave of the treatment's
spline and of its first term times each column, all predicted by models that were fit without the
row (Robinson, Econometrica 56, 1988; Chernozhukov et al., Double/debiased machine learning, 2018).
All rows count, not only those near the two values. The effect is the regression's contrast, over
the rows asked about.

How curved the treatment's effect is, the data say: the spline's terms beyond the first have normal
coefficients whose deviation is averaged over, from far below an error (a line) to free, by
marginal likelihood and a uniform prior (Gelman, Bayesian Analysis 1, 2006). So a line costs less
than a free curve, and the error knows what the smoothing may hide (Bayesian intervals of smoothing
splines; Nychka, JASA 83, 1988; Marra & Wood, Scandinavian Journal of Statistics 39, 2012). Choosing
the curve by a test instead, or a prior that favors lines, misses effects that are barely curved.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simulacra_trainer.effects.models.exact_arms import end_heaps
from simulacra_trainer.effects.models.features import Floats
from simulacra_trainer.effects.scores import Scores, kish

PENALTY = 1.0
"""Ridge penalty on standardized products of the treatment with columns, in units of rows."""
DEVIATIONS = 25
"""Deviations of the curvature that are averaged over, in equal steps of the logarithm, from a tenth
of an error to a standard deviation of the residual; each counts by its step, so all are alike."""
MAX_LEVERAGE = 0.9
KNOTS = (0.05, 0.35, 0.65, 0.95)
"""Quantiles of the treatment at which its spline changes (Harrell, 2015)."""
REACH = 2.0
"""Numbers count up to this many times the knots' range beyond them: a code of 99999 among ages must
not bend the curve."""
LEAST_APART = 1e-8
"""Smallest eigenvalue of the terms' correlations from which they can be separated."""


@dataclass(frozen=True)
class Doses:
    """A numeric treatment of n rows beside two asked doses, or what columns leave of it.

    Attributes:
        terms: of the spline of the observed treatment, float64 [k, n], linear first; of residuals
            minus what the adjustment columns expect.
        asked: the terms at the value and at the baseline, float64 [k, 2].
        crossed: adjustment columns that the treatment's slope may differ by, float64 [n, d].
    """

    terms: Floats
    asked: Floats
    crossed: Floats

    @property
    def gaps(self) -> Floats:
        """What each term differs by between value and baseline, float64 [k]."""
        return self.asked[:, 0] - self.asked[:, 1]


def spline_terms(values: Floats, doses: Floats) -> tuple[Floats, Floats]:
    """Return a restricted cubic spline of numbers and of doses, float64 [k, n] and [k, doses].

    Linear first and linear beyond the outer knots, uncorrelated and of unit variance. With few
    distinct numbers it has fewer terms, at least one. A heap at an end of the numbers has a term of
    its own: people without any children or with a top-coded income may be of another kind, and must
    not bend the curve of the others.
    """
    n, both = values.size, np.concatenate([values, doses])
    heaps = [(both == end).astype(np.float64) for end in end_heaps(values)]
    is_rest = ~np.any([heap[:n] > 0 for heap in heaps], axis=0) if heaps else np.ones(n, np.bool_)
    knots = np.unique(np.quantile(values[is_rest], KNOTS))
    if knots.size > 1:
        span = REACH * (knots[-1] - knots[0])
        both = np.clip(both, knots[0] - span, knots[-1] + span)
    center, scale = float(both[:n].mean()), max(float(both[:n].std()), 1e-300)
    both, knots = (both - center) / scale, (knots - center) / scale
    terms = [both, *_bends(both, knots), *heaps]
    if len(terms) == 1:
        return both[None, :n], both[None, n:]
    found = np.array(terms)
    found -= found[:, :n].mean(axis=1, keepdims=True)
    found /= np.maximum(found[:, :n].std(axis=1, keepdims=True), 1e-300)
    correlations = found[:, :n] @ found[:, :n].T / n
    if float(np.linalg.eigvalsh(correlations)[0]) < LEAST_APART:
        return found[:1, :n], found[:1, n:]
    # Uncorrelated terms: models of nearly equal ones would each err by more than they differ.
    found = np.linalg.solve(np.linalg.cholesky(correlations), found)
    return found[:, :n], found[:, n:]


def _bends(both: Floats, knots: Floats) -> Iterator[Floats]:
    """Yield the terms beyond the linear one, none with fewer than three knots."""
    if knots.size < 3:
        return
    last, before = knots[-1], knots[-2]
    for knot in knots[:-2]:
        bend = _cube(both - knot)
        bend -= _cube(both - before) * (last - knot) / (last - before)
        bend += _cube(both - last) * (before - knot) / (last - before)
        yield bend / (last - knots[0]) ** 2


def _cube(x: Floats) -> Floats:
    return np.maximum(x, 0.0) ** 3


def straight(residual: Floats, left: Floats, doses: Doses) -> Floats:
    """Return what least squares adds to the outcome at the value and at the baseline, [2, n].

    residual: of the outcome, given the adjustment columns, float64 [n]; left: what these leave of
    the terms, float64 [k, n].
    """
    slope = np.linalg.lstsq(left.T, residual, rcond=None)[0]
    return doses.asked.T @ slope[:, None] - slope @ (doses.terms - left)


@dataclass(frozen=True)
class _Curve:
    """The regression with one deviation of the curvature.

    Attributes:
        evidence: log of the marginal likelihood times the prior, up to a constant.
        effect: of each row, float64 [n].
        weight: of each row's residual in the effect, float64 [n].
        left: of the outcome, float64 [n].
        leverage: of each row, float64 [n].
        hidden: expected square of what smoothing takes from the effect.
    """

    evidence: float
    effect: Floats
    weight: Floats
    left: Floats
    leverage: Floats
    hidden: float


def sloped(scores: Scores, slopes: Doses, residual: Floats, inside: Floats) -> Scores:
    """Return the scores of the effect of a numeric treatment.

    Args:
        scores: of rows near the two values, whose weights say how many they are worth.
        slopes: what the columns leave of the n rows.
        residual: of the outcome, given the adjustment columns, float64 [n].
        inside: 1 for the rows that the effect is for, else 0, float64 [n].
    """
    survey = inside if scores.weights is None else scores.weights * inside
    total, tilt = max(float(survey.sum()), 1e-300), survey * scores.tilt
    mass = max(float(tilt.sum()), 1e-300)
    crossed = inside[:, None] * (slopes.crossed - tilt @ slopes.crossed / mass)
    weights = survey * (kish(survey) / total)
    curves = [*_curves(slopes, crossed, residual, weights)]
    evidence = np.array([curve.evidence for curve in curves])
    shares = np.exp(evidence - evidence.max())
    shares /= shares.sum()
    weight, left, effect = (
        shares @ np.array([getattr(curve, part) for curve in curves])
        for part in ("weight", "left", "effect")
    )
    # Jackknife-like residuals (HC3; MacKinnon & White, 1985), because a few rows bend a curve.
    moves = np.array([c.weight * c.left / (1.0 - c.leverage) for c in curves]) * inside
    move = shares @ moves
    middle = float(tilt @ effect) / mass
    effects = np.array([float(tilt @ curve.effect) / mass for curve in curves])
    hidden = np.array([curve.hidden for curve in curves]) + (effects - middle) ** 2
    spread = np.sum((weights * moves) ** 2, axis=1) - float(np.sum((weights * move) ** 2))
    # The effect weighs rows by survey weight over `mass`, the regression by `weights`.
    scale = mass * kish(survey) / total
    return replace(
        scores,
        value=scores.tilt * effect + inside * scale * (move - float(survey @ move) / total),
        representer=inside * weight * scale * inside.size / mass,
        residual=inside * left,
        square=float(np.sum(survey * (weight * scale / mass) ** 2)) * inside.size,
        hidden=float(np.sqrt(max(float(shares @ (hidden + spread)), 0.0))),
    )


def _curves(slopes: Doses, crossed: Floats, residual: Floats, weights: Floats) -> Iterator[_Curve]:
    """Yield the regression with each deviation of the curvature; rows of weight 0 do not count."""
    k, d = slopes.terms.shape[0], crossed.shape[1]
    rows = max(float(weights.sum()), 1.0)
    design = np.column_stack([slopes.terms.T, slopes.terms[0][:, None] * crossed])
    unit = np.sqrt(np.maximum(weights @ design**2 / rows, 1e-12))
    design, asked = design / unit, np.append(slopes.gaps, np.zeros(d)) / unit
    by_row = slopes.gaps[0] * crossed / unit[k:]
    gram, moment = design.T @ (weights[:, None] * design), design.T @ (weights * residual)
    ridge = np.append(np.full(k, 1e-6), np.full(d, PENALTY))
    free = np.linalg.solve(gram + np.diag(ridge), np.column_stack([gram, moment]))
    left = residual - design @ free[:, -1]
    noise = float(weights @ left**2) / max(rows - float(np.trace(free[:, :-1])), 1.0)
    noise = max(noise, 1e-300)
    bends = np.append(np.arange(k) > 0, np.zeros(d)).astype(np.float64)
    for deviation in np.geomspace(0.1 / np.sqrt(rows), 1.0, DEVIATIONS if k > 1 else 1):
        inverse = np.linalg.inv(gram + np.diag(ridge + bends / deviation**2))
        slope, pull = inverse @ moment, inverse @ asked
        fit = float(moment @ slope) / noise + float(np.linalg.slogdet(inverse)[1])
        leverage = weights * np.einsum("ij,ij->i", design @ inverse, design)
        yield _Curve(
            evidence=0.5 * fit - (k - 2) * float(np.log(deviation)),
            effect=float(asked[:k] @ slope[:k]) + by_row @ slope[k:],
            weight=design @ pull,
            left=residual - design @ slope,
            leverage=np.minimum(leverage, MAX_LEVERAGE),
            hidden=noise * float(np.sum(bends * (pull / deviation) ** 2)),
        )

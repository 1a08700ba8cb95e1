"""The answer where too few rows have one of the values: a regression alone, with a bootstrap
interval.

Robins' g-computation with the treatment as a linear column: it extrapolates, so it is never called
identified.
"""

from __future__ import annotations

import numpy as np

from simulacra_trainer.effects.aipw import Z95, Interval
from simulacra_trainer.effects.features import Features, Floats
from simulacra_trainer.effects.nuisance import fit_nuisance
from simulacra_trainer.effects.question import Question

BOOTSTRAPS = 30


def g_computation(question: Question, features: Features, seed: int) -> Interval:
    """Return the mean difference of predictions under the two values; support is 0.

    Args:
        question: n rows.
        features: adjustment columns of these rows.
        seed: decides resamples and check rows.
    """
    rng = np.random.default_rng(seed)
    n = question.outcome.size
    arms = (question.value, question.baseline)
    own = np.column_stack(
        [arm.rows if arm.distance is None else arm.distance for arm in arms]
    ).astype(np.float64)
    asked = _asked(question)
    effect = question.mean(_difference(features, own, question.outcome, asked, rng))
    again = []
    for _ in range(BOOTSTRAPS):
        rows = rng.integers(n, size=n)
        drawn = _difference(features.rows(rows), own[rows], question.outcome[rows], asked, rng)
        again.append(
            float(
                np.average(
                    drawn, weights=None if question.weights is None else question.weights[rows]
                )
            )
        )
    half = Z95 * float(np.std(again, ddof=1))
    return Interval(effect, effect - half, effect + half, n, 0.0)


def _asked(question: Question) -> tuple[Floats, Floats]:
    """Return both treatment columns as they are under the value, and under the baseline."""
    value, baseline = question.value.distance, question.baseline.distance
    if value is None or baseline is None:
        return np.array([1.0, 0.0]), np.array([0.0, 1.0])
    apart = float(baseline[0] - value[0])  # value minus baseline, in standard deviations
    return np.array([0.0, apart]), np.array([-apart, 0.0])


def _difference(
    features: Features,
    own: Floats,
    outcome: Floats,
    asked: tuple[Floats, Floats],
    rng: np.random.Generator,
) -> Floats:
    """Return the difference that the two values make to each row, float64 [n]."""
    model = fit_nuisance(features.with_always(own), outcome, rng)
    value, baseline = (
        model.predict(features.with_always(np.tile(a, (outcome.size, 1)))) for a in asked
    )
    return value - baseline

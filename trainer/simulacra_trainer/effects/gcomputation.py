"""Effect where too few rows have one of the values: a regression with a bootstrap interval.

Robins' g-computation with the treatment as a linear column. It extrapolates, so the effect is never
called identified.
"""

from __future__ import annotations

import numpy as np

from simulacra_trainer.effects.aipw import Z95, Interval
from simulacra_trainer.effects.contrast import Contrast
from simulacra_trainer.effects.features import Features, Floats
from simulacra_trainer.effects.nuisance import fit_nuisance
from simulacra_trainer.persons import Ints

BOOTSTRAPS = 30


def g_computation(contrast: Contrast, features: Features, seed: int) -> Interval:
    """Return the mean difference of predictions under the two values, with support 0.

    Args:
        contrast: n rows.
        features: adjustment columns of these rows.
        seed: of resamples and validation rows.
    """
    rng = np.random.default_rng(seed)
    n = contrast.outcome.size
    arms = (contrast.value, contrast.baseline)
    own = np.column_stack(
        [arm.rows if arm.distance is None else arm.distance for arm in arms]
    ).astype(np.float64)
    treatments = _treatments(contrast)
    effect = contrast.mean(_difference(features, own, contrast.outcome, treatments, rng))
    resampled = []
    for _ in range(BOOTSTRAPS):
        rows = _resample(contrast.persons, n, rng)
        drawn = _difference(features.rows(rows), own[rows], contrast.outcome[rows], treatments, rng)
        weights = None if contrast.weights is None else contrast.weights[rows]
        resampled.append(float(np.average(drawn, weights=weights)))
    half = Z95 * float(np.std(resampled, ddof=1))
    return Interval(effect, effect - half, effect + half, n, 0.0)


def _resample(persons: Ints | None, n: int, rng: np.random.Generator) -> Ints:
    """Draw n rows with replacement; with persons, as many persons as there are, all their rows."""
    if persons is None:
        return rng.integers(n, size=n)
    order = np.argsort(persons, kind="stable")
    counts = np.bincount(persons)
    drawn = rng.integers(counts.size, size=counts.size)
    starts = np.cumsum(counts) - counts
    return np.concatenate([order[starts[p] : starts[p] + counts[p]] for p in drawn])


def _treatments(contrast: Contrast) -> tuple[Floats, Floats]:
    """Return the two treatment columns under the value and under the baseline, float64 [2] each."""
    value, baseline = contrast.value.distance, contrast.baseline.distance
    if value is None or baseline is None:
        return np.array([1.0, 0.0]), np.array([0.0, 1.0])
    apart = float(baseline[0] - value[0])  # value minus baseline, in standard deviations
    return np.array([0.0, apart]), np.array([-apart, 0.0])


def _difference(
    features: Features,
    own: Floats,
    outcome: Floats,
    treatments: tuple[Floats, Floats],
    rng: np.random.Generator,
) -> Floats:
    """Return the difference of each row's predictions under the two values, float64 [n]."""
    model = fit_nuisance(features.with_always(own), outcome, rng)
    value, baseline = (
        model.predict(features.with_always(np.tile(a, (outcome.size, 1)))) for a in treatments
    )
    return value - baseline

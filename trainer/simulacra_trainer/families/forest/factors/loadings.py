"""Loadings of a battery's items on a few factors, from the correlations of their normal scores.

Loadings are principal axes. There are as many factors as eigenvalues that exceed those of tables
whose columns are permuted (parallel analysis; Horn, 1965). They are rotated so that an item has few
large ones (varimax; Kaiser, 1958), and small ones are left out.
"""

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from simulacra_trainer.families.codec import Floats

MAX_FACTORS = 24
PERMUTED, AXIS_STEPS, ROTATIONS = 3, 30, 50
"""Permuted tables of parallel analysis, steps of principal axes and of varimax."""
LEAST_UNIQUE = 0.05
CLEAR = 2.0
"""Standard errors from which a loading counts."""


def fit_loadings(Z: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Return loadings, what they leave of each item, and of each pair.

    Z: standardized scores, float64 [n, items]; weight: independent rows that each row counts as,
    float64 [n].

    Returns:
        Loadings, float64 [items, factors]; variance left, float64 [items]; correlation left in
        standard errors, float64 [items, items].
    """
    information = float(weight.sum())
    rows = np.sqrt(weight / information)[:, None]
    R = (Z * rows).T @ (Z * rows)
    axes = _principal_axes(R, _factors_beyond_chance(Z, rows, R))
    loadings, unique = _simple_structure(axes, information)
    return loadings, unique, (R - loadings @ loadings.T) * np.sqrt(information)


def _factors_beyond_chance(Z: Floats, rows: Floats, R: Floats) -> int:
    """Return how many leading eigenvalues exceed those of permuted columns."""
    most = min(MAX_FACTORS, R.shape[0] - 1)
    rng = np.random.default_rng(29)
    chance = np.zeros(most)
    for _ in range(PERMUTED):
        permuted = rng.permuted(Z, axis=0) * rows
        chance = np.maximum(chance, _leading(permuted.T @ permuted, most)[0])
    exceeds = _leading(R, most)[0] > chance
    return int(np.argmin(np.append(exceeds, False)))


def _principal_axes(R: Floats, factors: int) -> Floats:
    """Return loadings, float64 [items, factors]."""
    items = R.shape[0]
    if not factors:
        return np.zeros((items, 0))
    unique = np.full(items, 0.5)
    for _ in range(AXIS_STEPS):
        values, axes = _leading(R - np.diag(unique), factors)
        loadings = axes * np.sqrt(np.maximum(values, 1e-6))
        unique = _unique(loadings)
    return loadings


def _unique(loadings: Floats) -> Floats:
    """Return the variance that the factors leave, float64 [items]."""
    return np.clip(1.0 - np.sum(loadings**2, axis=1), LEAST_UNIQUE, 1.0)


def _simple_structure(loadings: Floats, rows: float) -> tuple[Floats, Floats]:
    """Return loadings rotated to few large ones an item (varimax; Kaiser, 1958), and uniquenesses.

    Loadings within `CLEAR` standard errors of 0 are left out: they say more of these respondents
    than of the items.
    """
    if loadings.shape[1] > 1:
        height = np.sqrt(np.sum(loadings**2, axis=1, keepdims=True)) + 1e-9
        scaled, rotation = loadings / height, np.eye(loadings.shape[1])
        for _ in range(ROTATIONS):
            turned = scaled @ rotation
            slope = scaled.T @ (turned**3 - turned * np.mean(turned**2, axis=0))
            left, _, right = np.linalg.svd(slope)
            rotation = left @ right
        loadings = loadings @ rotation
    error = np.sqrt(_unique(loadings) / rows)[:, None]
    kept = np.where(np.abs(loadings) > CLEAR * error, loadings, 0.0)
    return kept, _unique(kept)


def _leading(R: Floats, k: int) -> tuple[Floats, Floats]:
    """Return the k largest eigenvalues, descending, and their vectors, float64 [items, k].

    The start is fixed, so the result is the same on every run.
    """
    start = np.cos(np.arange(R.shape[0], dtype=np.float64))
    try:
        values, vectors = eigsh(LinearOperator(R.shape, matvec=R.dot), k, which="LA", v0=start)
    except ArpackNoConvergence:
        values, vectors = eigh(R, subset_by_index=[R.shape[0] - k, R.shape[0] - 1])
    return values[::-1], vectors[:, ::-1]

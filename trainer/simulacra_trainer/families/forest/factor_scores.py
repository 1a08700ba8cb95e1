"""Factor scores for wide tables: the items, their loadings, and what a column sees of the others.

A column of a wide table cannot have a weight for each of hundreds of earlier columns. Items of a
battery share a few factors, so a column sees the posterior mean of the factors given the items
before it (`battery`), and beside it only columns that the factors do not explain: names, and items
whose correlation with it is beyond chance.

Loadings are principal axes of the correlations of normal scores. There are as many factors as
eigenvalues that exceed those of tables whose columns are permuted (parallel analysis; Horn, 1965).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from simulacra_trainer.families.codec import Codes, Floats
from simulacra_trainer.families.forest.battery import Battery, Ints
from simulacra_trainer.families.forest.loglinear_terms import Functions
from simulacra_trainer.persons import MIN_PERSONS, persons_a_group
from simulacra_trainer.persons import Ints as Persons

MIN_ITEMS = 20
"""With fewer items there is no battery."""
MAX_FACTORS = 24
PERMUTED, AXIS_STEPS = 3, 30
"""Permuted tables of parallel analysis, and steps of principal axes."""
LEAST_UNIQUE = 0.05
ROTATIONS, CLEAR = 50, 2.0
LEAST_MISSING = 0.01
LINKED = 3.5
"""Standard errors of a correlation beyond the factors from which two items are linked: chance
exceeds them once in two thousand pairs."""
MAX_LINKED = 12
OWN_SD = 3.0
"""Standard deviation at first of an item's own expected score and of missing answers, relative to
that of a line."""


@dataclass(frozen=True, eq=False)
class FactorModel:
    """Factors of the items of a table.

    Attributes:
        battery: the items; its sums are those of the factors, then the missing answers.
        loadings: float64 [items, factors].
        unique: variance of each item that the factors leave, float64 [items].
        beyond: correlation of two items that the factors leave, in standard errors, float64
            [items, items].
        missing_sd: standard deviation of the logarithm of 1 + a row's missing answers.
        item_of: place of each column (schema order) among the items, -1 for others, int32
            [columns].
    """

    battery: Battery
    loadings: Floats
    unique: Floats
    beyond: Floats
    missing_sd: float
    item_of: Ints

    def items(self, columns: Sequence[int]) -> Ints:
        """Return which items are among these columns, in their order, int32 [k]."""
        found = self.item_of[np.array(columns, np.int64)]
        return found[found >= 0]

    def direct(
        self, column: int, before: Sequence[int], candidates: Sequence[int]
    ) -> Sequence[int]:
        """Return the columns that a regression of `column` has beside factor scores.

        Names among the candidates, and linked items; for a name that is no item, all candidates.

        Args:
            column: the response.
            before: earlier columns.
            candidates: those of them with most information about the column.
        """
        own = self.item_of[column]
        if own < 0:
            return candidates
        names = [j for j in candidates if self.item_of[j] < 0]
        items = self.items(before)
        apart = np.abs(self.beyond[own, items])
        strongest = np.argsort(-apart, kind="stable")[:MAX_LINKED]
        linked = items[strongest[apart[strongest] > LINKED]]
        return [*names, *map(int, self.battery.columns[linked])]

    def predictors(self, column: int, items: Ints) -> tuple[Floats, list[int]]:
        """Return how features of a regression follow from the battery's sums, and their blocks.

        An item sees its own expected score, other columns see the factor scores; both see how many
        answers are missing.

        Returns:
            Sums to features, float64 [sums, features]; sizes of blocks that share a prior.
        """
        loadings = self.loadings[items]
        factors = loadings.shape[1]
        precision = np.eye(factors) + loadings.T @ (loadings / self.unique[items, None])
        features = np.linalg.inv(precision)
        own = self.item_of[column]
        if own >= 0:
            features = OWN_SD * features @ self.loadings[own][:, None]
        size = features.shape[1] if factors else 0
        out = np.zeros((factors + 1, size + 1))
        out[:factors, :size] = features[:, :size]
        out[factors, -1] = OWN_SD / self.missing_sd
        return out, [size, 1] if size else [1]


def fit_factors(
    codes: Codes, functions: Sequence[Functions], weight: Floats, persons: Persons | None
) -> FactorModel | None:
    """Return the factors of a table's items; None if it has few items.

    Args:
        codes: predictor codes, uint8 [columns, n].
        functions: of the columns.
        weight: independent rows that each row counts as, float64 [n].
        persons: of each row, int64 [n]; None where each row is its own person.
    """
    scores = {}
    for j, of in enumerate(functions):
        score = of.table[:, 0] if of.ordered else _two_levels(codes[j], persons)
        if score is not None:
            scores[j] = score
    if len(scores) < MIN_ITEMS:
        return None
    Z = np.column_stack(
        [score[np.minimum(codes[j], score.size - 1)] for j, score in scores.items()]
    )
    Z -= np.average(Z, axis=0, weights=weight)
    Z /= np.maximum(np.sqrt(np.average(Z**2, axis=0, weights=weight)), 1e-9)
    rows = np.sqrt(weight)[:, None] / np.sqrt(weight.sum())
    R = (Z * rows).T @ (Z * rows)
    information = float(weight.sum())
    axes = _principal_axes(R, _factors_beyond_chance(Z, rows, R))
    loadings, unique = _simple_structure(axes, information)
    beyond = (R - loadings @ loadings.T) * np.sqrt(information)
    columns = np.array(list(scores), np.int32)
    item_of = np.full(len(functions), -1, np.int32)
    item_of[columns] = np.arange(columns.size)
    tables = []
    for at, score in enumerate(scores.values()):
        table = np.outer(score, np.append(loadings[at] / unique[at], 0.0))
        table[0, -1] = 1.0
        tables.append(table)
    ends = np.cumsum([0, *(len(table) for table in tables)]).astype(np.int32)
    battery = Battery(columns, ends, np.vstack(tables))
    missing = float(np.log1p(np.sum(codes[columns] == 0, axis=0)).std())
    return FactorModel(battery, loadings, unique, beyond, max(missing, LEAST_MISSING), item_of)


def _two_levels(codes: npt.NDArray[np.uint8], persons: Persons | None) -> Floats | None:
    """Return the standardized indicator of the second of two levels, None of other columns."""
    size = int(codes.max(initial=0)) + 2
    counts = np.bincount(codes, minlength=size).astype(np.float64)
    known = 1 + np.flatnonzero(counts[1:])
    people = persons_a_group(codes, persons, size)[known]
    if known.size != 2 or people.min() < MIN_PERSONS:
        return None
    share = counts[known[1]] / counts[known].sum()
    out = np.zeros(size)
    out[known] = np.array([-share, 1.0 - share]) / np.sqrt(share * (1.0 - share))
    return out


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
    out: Floats = np.clip(1.0 - np.sum(loadings**2, axis=1), LEAST_UNIQUE, 1.0)
    return out


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

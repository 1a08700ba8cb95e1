"""Factor scores for wide tables: the items, their loadings, and what a column sees of the others.

A column of a wide table cannot have a weight for each of hundreds of earlier columns. Items of a
battery share a few factors, so a column sees the posterior mean of the factors given the items
before it (`battery`), and beside it only columns that the factors do not explain: names, and items
whose correlation with it is beyond chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulacra_intake.rows_of_persons import MIN_PERSONS, persons_a_group
from simulacra_intake.rows_of_persons import Ints as Persons
from simulacra_trainer.families.codec import Codes, Floats
from simulacra_trainer.families.forest.factors.battery import Battery, Ints
from simulacra_trainer.families.forest.factors.loadings import fit_loadings
from simulacra_trainer.families.forest.regression.loglinear_terms import Functions, table_size

MIN_ITEMS = 20
"""With fewer items there is no battery."""
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

        candidates: those of the earlier columns with most information about the column.
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

    weight: independent rows that each row counts as, float64 [n]; persons: None where each row is
    its own.
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
    loadings, unique, beyond = fit_loadings(Z, weight)
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
    size = table_size(codes)
    counts = np.bincount(codes, minlength=size).astype(np.float64)
    known = 1 + np.flatnonzero(counts[1:])
    people = persons_a_group(codes, persons, size)[known]
    if known.size != 2 or people.min() < MIN_PERSONS:
        return None
    share = counts[known[1]] / counts[known].sum()
    out = np.zeros(size)
    out[known] = np.array([-share, 1.0 - share]) / np.sqrt(share * (1.0 - share))
    return out

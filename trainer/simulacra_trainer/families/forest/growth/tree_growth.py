"""Grows one tree on a column's predictors: a class tree, or a number tree."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from simulacra_trainer.families.codec import Codes, Floats, Ints
from simulacra_trainer.families.forest.growth.training_rows import TrainingRows
from simulacra_trainer.families.forest.regression.variates import fit_variates
from simulacra_trainer.families.forest.samplers import Classes, Numbers, Pool, Sampler
from simulacra_trainer.families.forest.trees.donors import repeat_donors
from simulacra_trainer.families.forest.trees.kernels import (
    BINS,
    F8,
    I4,
    U1,
    compiled,
    grow_classes,
    grow_numbers,
)
from simulacra_trainer.families.forest.trees.traversal import relabel, split_masks
from simulacra_trainer.families.forest.trees.tree import Tree, Variate

NUMBER_PARAMETERS = 2
"""A split of a number target has two further parameters: a mean and a variance."""
IDENTITY = np.arange(256, dtype=np.uint8)
Classed = npt.NDArray[np.integer]
IntervalsOf = Callable[[npt.NDArray[np.int64], Ints], tuple[Floats, Floats]]


class TreeGrower:
    """Grows trees that split on the predictors (positions in schema order, int32 [k])."""

    def __init__(self, data: TrainingRows, predictors: Ints) -> None:
        self.data, self.predictors = data, predictors

    def classes(
        self, rows: Ints, y: Classed, meaning: Floats, samplers: dict[int, Sampler]
    ) -> Sampler:
        """Return a class tree grown on y, int32 [rows], or what draws the only class.

        meaning: value of each class, float64 [classes]; samplers: see `samplers.Classes`.
        """
        if meaning.size == 1:
            return samplers[0] if samplers else Pool(meaning, meaning)
        codes = self.data.codes_at(self.predictors, rows)
        luts = self._luts(codes, lambda x: order_by_correspondence(x, y, meaning.size))
        variates = self._variates(codes, y, meaning.size)
        Z = np.concatenate(
            [self._bins(codes, luts), *(v.codes(self.data.codes, rows)[None] for v in variates)]
        )
        *grown, index = grow_classes(Z, y, meaning.size, self.data.prices(meaning.size))
        tree = self._tree(grown, luts, variates)
        donors = y[index]
        order = np.lexsort((donors, _leaf_of(tree)))
        if self.data.weights is not None:
            tree, places = repeat_donors(tree, self.data.weights[rows[index[order]]])
            order = order[places]
        return Classes(
            tree, donors[order].astype(np.min_scalar_type(meaning.size)), meaning, samplers
        )

    def numbers(self, rows: Ints, y: Floats, values: Floats, intervals: IntervalsOf) -> Numbers:
        """Return a tree grown on y, float64 [rows], whose leaves draw from values [rows].

        intervals: those of members, sorted by leaf, then value, given the rank of their leaf.
        """
        codes = self.data.codes_at(self.predictors, rows)
        luts = self._luts(codes, lambda x: order_by_mean(x, y))
        price = self.data.prices(NUMBER_PARAMETERS)[-1]
        *grown, index = grow_numbers(self._bins(codes, luts), y, price)
        tree = self._tree(grown, luts)
        leaf = _leaf_of(tree)
        members = index[np.lexsort((values[index], leaf))]
        low, high = intervals(members, leaf)
        if self.data.weights is None:
            return Numbers(tree, low, high)
        tree, places = repeat_donors(tree, self.data.weights[rows[members]])
        return Numbers(tree, low[places], high[places])

    def _variates(self, codes: Codes, y: Classed, classes: int) -> list[Variate]:
        bases = [self.data.functions[f] for f in self.predictors]
        apart = self.data.rows_a_person
        found = fit_variates(codes, bases, y, classes, self.data.penalty, apart)
        return [replace(variate, columns=self.predictors[variate.columns]) for variate in found]

    def _luts(self, codes: Codes, score: Callable[[Codes], Floats]) -> list[Codes]:
        """Return for each predictor the bin of each code, uint8 [256]; categories by score."""
        return [
            IDENTITY if self.data.codecs[f].has_natural_order else _positions(score(x))
            for f, x in zip(self.predictors, codes, strict=True)
        ]

    def _bins(self, codes: Codes, luts: list[Codes]) -> Codes:
        """Return the predictors as bin positions, uint8 [predictors, rows]."""
        Z = codes.copy()
        for i, f in enumerate(self.predictors):
            if not self.data.codecs[f].has_natural_order:
                Z[i] = relabel(codes[i], luts[i])
        return Z

    def _tree(self, grown: list[Ints], luts: list[Codes], variates: Sequence[Variate] = ()) -> Tree:
        feature, threshold, child, start, stop = grown
        used = [i for i in range(len(variates)) if np.any(feature == len(luts) + i)]
        columns = np.full(len(luts) + len(variates) + 1, -1, np.int32)  # the last entry: leaves
        columns[: len(luts)] = self.predictors
        columns[[len(luts) + i for i in used]] = len(self.data.codecs) + np.arange(len(used))
        luts = [*luts, *[IDENTITY] * (len(variates) + 1)]
        masks = split_masks(feature, threshold, np.stack(luts))
        return Tree(columns[feature], masks, child, start, stop, tuple(variates[i] for i in used))


def _positions(scores: Floats) -> Codes:
    """Return the rank of each predictor code by score, uint8 [256]."""
    order = np.argsort(scores, kind="stable")
    positions = np.empty(256, np.uint8)
    positions[order] = np.arange(256)
    return positions


def _leaf_of(tree: Tree) -> Ints:
    """Return the rank of the leaf of each donor position, ascending, int32 [donors]."""
    leaves = tree.leaves_in_order
    return np.repeat(np.arange(leaves.size), tree.stop[leaves] - tree.start[leaves]).astype(
        np.int32
    )


@compiled
def order_by_mean(x: U1, y: F8) -> F8:
    """Return the mean of y, float64 [n], for each code of x, uint8 [n]: float64 [256]."""
    counts = np.zeros(BINS)
    sums = np.zeros(BINS)
    for i in range(x.shape[0]):
        counts[x[i]] += 1
        sums[x[i]] += y[i]
    mean = sums.sum() / max(x.shape[0], 1)
    for b in range(BINS):
        sums[b] = sums[b] / counts[b] if counts[b] > 0 else mean
    return sums


@compiled
def order_by_correspondence(x: U1, y: I4, classes: int) -> F8:
    """Return a score for each code of x, float64 [256], that orders codes by the classes of y.

    The score is the first axis of the correspondence analysis of x, uint8 [n], and y, int32 [n],
    found by power iteration on the standardized residuals (Greenacre, 1984).
    """
    table, rows, columns = np.zeros((BINS, classes)), np.zeros(BINS), np.zeros(classes)
    for i in range(x.shape[0]):
        table[x[i], y[i]] += 1.0
        rows[x[i]] += 1.0
        columns[y[i]] += 1.0
    n = float(x.shape[0])
    axis = np.empty(classes)
    for k in range(classes):  # any start that is not constant
        axis[k] = np.sin(1.0 + 3.7 * k)
    scores = np.zeros(BINS)
    for _ in range(12):
        center = 0.0
        for k in range(classes):
            center += axis[k] * columns[k] / n
        spread = 0.0
        for k in range(classes):
            axis[k] -= center
            spread += axis[k] * axis[k] * columns[k] / n
        if spread < 1e-24:
            break
        spread = np.sqrt(spread)
        for k in range(classes):
            axis[k] /= spread
        for b in range(BINS):
            scores[b] = 0.0
            if rows[b] > 0:
                for k in range(classes):
                    scores[b] += table[b, k] * axis[k]
                scores[b] /= rows[b]
        for k in range(classes):
            axis[k] = 0.0
            if columns[k] > 0:
                for b in range(BINS):
                    axis[k] += table[b, k] * scores[b]
                axis[k] /= columns[k]
    return scores

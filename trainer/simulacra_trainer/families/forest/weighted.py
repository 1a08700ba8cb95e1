"""Leaves of a weighted table: donors stand in them as often as their weights say.

Trees are grown on rows, so that what counts people (a split's price, the fewest rows of a leaf, of
a level) counts each of them once; then the donors of a leaf are repeated in proportion to their
weights, which makes its distribution the design-weighted one (Pfeffermann, 1993; for trees, Toth &
Eltinge, 2011).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from simulacra_trainer.families.forest.samplers import Tree
from simulacra_trainer.survey_weights import Floats, Ints, replicas

DONORS_A_ROW = 8
MAX_DONORS = 1_000_000


def repeat_donors(tree: Tree, weights: Floats) -> tuple[Tree, Ints]:
    """Return the tree with its segments widened, and which donor stands at each place, int64
    [places].

    Args:
        tree: of which each leaf's donors lie side by side.
        weights: of the donors in that order, float64 [donors].
    """
    leaves = np.flatnonzero(tree.feature < 0)
    leaves = leaves[np.argsort(tree.start[leaves], kind="stable")]
    places = donor_places(np.repeat(leaves, tree.stop[leaves] - tree.start[leaves]), weights)
    begin = np.append(0, np.cumsum(np.bincount(places, minlength=weights.size))).astype(np.int32)
    return replace(tree, start=begin[tree.start], stop=begin[tree.stop]), places


def donor_places(leaf: npt.NDArray[np.integer], weights: Floats) -> Ints:
    """Return which donor stands at each place, int64 [places], in the donors' order.

    leaf, weights: of each donor, those of a leaf side by side. A leaf that has next to no weight
        keeps each once.
    """
    counts = repeats(weights)
    begin = np.flatnonzero(np.diff(leaf, prepend=-1))
    none = np.add.reduceat(counts, begin) == 0
    counts[np.repeat(none, np.diff(begin, append=leaf.size))] = 1
    return np.repeat(np.arange(counts.size), counts)


def repeats(weights: Floats) -> Ints:
    """Return how often each donor stands in a segment, int64 [donors]; once or more on average."""
    return replicas(weights, max(min(DONORS_A_ROW * weights.size, MAX_DONORS), weights.size))

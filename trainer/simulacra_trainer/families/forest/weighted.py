"""Survey weights in leaves: donors are repeated in proportion to their weights.

Trees are grown on unweighted rows, so rules about people (the price of a split, minimum rows of a
leaf or level) count each person once. Repeating the donors of a leaf then makes its distribution
the design-weighted one (Pfeffermann, 1993; for trees, Toth & Eltinge, 2011).
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
    """Return the tree with wider segments, and the donor at each position, int64 [positions].

    Args:
        tree: the donors of each leaf are contiguous.
        weights: of the donors in that order, float64 [donors].
    """
    leaves = tree.leaves_in_order
    places = donor_places(np.repeat(leaves, tree.stop[leaves] - tree.start[leaves]), weights)
    begin = np.append(0, np.cumsum(np.bincount(places, minlength=weights.size))).astype(np.int32)
    return replace(tree, start=begin[tree.start], stop=begin[tree.stop]), places


def donor_places(leaf: npt.NDArray[np.integer], weights: Floats) -> Ints:
    """Return the donor at each position, int64 [positions], in the donors' order.

    leaf, weights: of each donor, leaves contiguous. A leaf of negligible weight keeps each donor
    once.
    """
    counts = repeats(weights)
    begin = np.flatnonzero(np.diff(leaf, prepend=-1))
    none = np.add.reduceat(counts, begin) == 0
    counts[np.repeat(none, np.diff(begin, append=leaf.size))] = 1
    return np.repeat(np.arange(counts.size), counts)


def repeats(weights: Floats) -> Ints:
    """Return how often each donor stands in a segment, int64 [donors]; once or more on average."""
    return replicas(weights, max(min(DONORS_A_ROW * weights.size, MAX_DONORS), weights.size))

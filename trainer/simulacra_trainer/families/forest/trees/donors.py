"""Donors of leaves: the intervals that they draw from, and their repetition by survey weights.

Trees are grown on unweighted rows, so rules about people (the price of a split, minimum rows of a
leaf or level) count each person once. Repeating the donors of a leaf then makes its distribution
the design-weighted one (Pfeffermann, 1993; for trees, Toth & Eltinge, 2011).
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from simulacra_intake.survey_weights import Ints, replicas
from simulacra_trainer.families.codec import Floats
from simulacra_trainer.families.forest.trees.tree import Tree

DONORS_A_ROW = 8
MAX_DONORS = 1_000_000
WINDOW_SHARE = 0.005
"""How far interpolation of residuals reaches on either side, as a share of all ranks."""


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


def donor_intervals(values: Floats, leaf: npt.NDArray[np.int32]) -> tuple[Floats, Floats]:
    """Return the interval [low, high] that each donor draws from, float64 [donors] each.

    It reaches halfway to the neighbors in the leaf, and at most `WINDOW_SHARE` of all ranks.

    values: of the donors, sorted by leaf, then value; leaf: rank of each donor's leaf, int32
    [donors].
    """
    same = leaf[1:] == leaf[:-1]
    half = np.diff(values) / 2.0
    down = np.append(np.nan, np.where(same, half, np.nan))
    up = np.append(np.where(same, half, np.nan), np.nan)
    down, up = np.where(np.isnan(down), up, down), np.where(np.isnan(up), down, up)
    everywhere = np.sort(values)
    reach = max(int(np.ceil(WINDOW_SHARE * values.size)), 1)
    rank = np.searchsorted(everywhere, values)
    floor = everywhere[np.maximum(rank - reach, 0)]
    ceiling = everywhere[np.minimum(rank + reach, values.size - 1)]
    low = np.minimum(np.fmax(values - down, floor), values)
    return low, np.maximum(np.fmin(values + up, ceiling), values)

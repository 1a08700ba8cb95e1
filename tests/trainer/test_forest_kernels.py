"""Tree growth and walks against brute force on small cases."""

import numpy as np
import pytest

from simulacra_trainer.families.forest.growth.training_rows import split_prices
from simulacra_trainer.families.forest.growth.tree_growth import (
    order_by_correspondence,
    order_by_mean,
)
from simulacra_trainer.families.forest.trees.kernels import (
    MIN_LEAF,
    SAMPLED_FROM,
    VARIANCE_FLOOR,
    grow_classes,
    grow_numbers,
)
from simulacra_trainer.families.forest.trees.traversal import (
    MAX_STACK,
    find_leaves,
    pick_donors,
    split_masks,
)
from simulacra_trainer.families.grid import find_bins

NO_SUMS = np.empty((0, 0), np.uint8)


def multinomial(y: np.ndarray) -> float:
    counts = np.bincount(y)
    counts = counts[counts > 0]
    return float(np.sum(counts * np.log(counts / y.size)))


def gaussian(y: np.ndarray) -> float:
    return -0.5 * y.size * float(np.log(max(y.var(), VARIANCE_FLOOR)))


def best_split(Z: np.ndarray, y: np.ndarray, score) -> tuple[float, int, int]:
    best = (0.0, -1, -1)
    for f in range(len(Z)):
        for t in range(int(Z[f].max())):
            left = Z[f] <= t
            if min(left.sum(), (~left).sum()) < MIN_LEAF:
                continue
            gain = score(y[left]) + score(y[~left]) - score(y)
            if gain > best[0] + 1e-9:
                best = (gain, f, t)
    return best


def reference_leaves(Z: np.ndarray, y: np.ndarray, score, price) -> list[frozenset[int]]:
    leaves, waiting = [], [np.arange(y.size)]
    while waiting:
        rows = waiting.pop()
        gain, f, t = (
            best_split(Z[:, rows], y[rows], score) if rows.size >= 2 * MIN_LEAF else (0.0, -1, -1)
        )
        if f < 0 or gain <= price(y[rows]):
            leaves.append(frozenset(rows.tolist()))
        else:
            left = Z[f, rows] <= t
            waiting += [rows[left], rows[~left]]
    return leaves


def grown_leaves(feature, start, stop, index) -> set[frozenset[int]]:
    return {
        frozenset(index[a:b].tolist())
        for f, a, b in zip(feature, start, stop, strict=True)
        if f < 0
    }


@pytest.mark.parametrize("seed", range(8))
def test_class_tree_equals_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    Z = rng.integers(0, 12, (3, 120)).astype(np.uint8)
    y = ((Z[0] > 5).astype(int) + (rng.random(120) < 0.2) + (Z[1] == 3)).astype(np.int32)
    feature, _threshold, _child, start, stop, index = grow_classes(Z, y, 4, split_prices(1.0, 4))
    expected = reference_leaves(
        Z, y, multinomial, lambda part: split_prices(1.0, 4)[np.unique(part).size - 1]
    )
    assert grown_leaves(feature, start, stop, index) == set(expected)
    assert len(expected) > 1


@pytest.mark.parametrize("seed", range(8))
def test_number_tree_equals_brute_force(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    Z = rng.integers(0, 12, (3, 120)).astype(np.uint8)
    y = np.round(3.0 * Z[0] + 10.0 * (Z[2] > 6) + rng.normal(0, 4, 120))
    feature, _threshold, _child, start, stop, index = grow_numbers(Z, y, 3.0)
    expected = reference_leaves(Z, y, gaussian, lambda _part: 3.0)
    assert grown_leaves(feature, start, stop, index) == set(expected)
    assert len(expected) > 1


@pytest.mark.parametrize("levels", [3, 40])
def test_split_searched_on_a_sample_equals_the_split_of_all_rows(levels: int) -> None:
    n, rng = 3 * SAMPLED_FROM, np.random.default_rng(levels)
    Z = rng.integers(0, 30, (4, n)).astype(np.uint8)
    Z[1] = np.where(rng.random(n) < 0.9, Z[2], Z[1])  # a rival of the best
    y = (np.minimum(Z[2] // 6, 2) + (rng.random(n) < 0.3) * rng.integers(0, levels - 2, n)).astype(
        np.int32
    )
    _, f, t = best_split(Z, y, multinomial)
    feature, threshold, *_ = grow_classes(Z, y, levels, split_prices(3.0, levels))
    assert (feature[0], threshold[0]) == (f, t)
    _, f, t = best_split(Z, y.astype(float), gaussian)
    feature, threshold, *_ = grow_numbers(Z, y.astype(float), 3.0)
    assert (feature[0], threshold[0]) == (f, t)


def test_weak_effect_invisible_in_a_sample_is_found_on_all_rows() -> None:
    n, rng = 6 * SAMPLED_FROM, np.random.default_rng(5)
    Z = rng.integers(0, 2, (30, n)).astype(np.uint8)
    y = (rng.random(n) < 0.5 + 0.02 * Z[17]).astype(np.int32)
    assert grow_classes(Z, y, 2, split_prices(3.0, 2))[0][0] == 17


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 249])
def test_find_bins_equals_numpy_searchsorted(count: int) -> None:
    rng = np.random.default_rng(count)
    edges = np.sort(rng.normal(size=count))
    values = np.concatenate([rng.normal(size=500), [np.nan, np.inf, -np.inf], edges])
    expected = np.where(np.isnan(values), 0, np.searchsorted(edges, values, side="right") + 1)
    assert np.array_equal(find_bins(values, edges), expected)


def test_trees_split_signal_but_not_noise() -> None:
    rng = np.random.default_rng(0)
    Z = rng.integers(0, 50, (20, 1000)).astype(np.uint8)
    noise = rng.integers(0, 2, 1000).astype(np.int32)
    assert grow_classes(Z, noise, 2, split_prices(12.0, 2))[0].size == 1
    assert grow_classes(Z, (Z[7] > 20).astype(np.int32), 2, split_prices(12.0, 2))[0].size == 3


def test_each_training_row_reaches_the_leaf_that_holds_it() -> None:
    rng = np.random.default_rng(3)
    Z = rng.integers(0, 200, (4, 500)).astype(np.uint8)
    y = ((Z[0] > 100).astype(int) + 2 * (Z[3] > 50)).astype(np.int32)
    y = np.where(rng.random(500) < 0.05, rng.integers(0, 4, 500), y).astype(np.int32)
    feature, threshold, child, start, stop, index = grow_classes(Z, y, 4, split_prices(3.0, 4))
    luts = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    masks = split_masks(feature, threshold, luts)
    rows = np.arange(500, dtype=np.int32)
    leaves = find_leaves(Z, NO_SUMS, rows, feature, masks, child)
    place = np.empty(500, int)
    place[index] = rows
    assert np.all((start[leaves] <= place) & (place < stop[leaves]))


def test_rows_reach_the_same_leaf_in_a_tree_deeper_than_the_stack() -> None:
    depth, n = MAX_STACK + 100, 40_000
    rng = np.random.default_rng(4)
    # a chain: at each level a few rows leave to the right (the leaves), the others go on to the
    # left
    feature = np.concatenate(
        [[0], np.array([[k, -1] for k in range(1, depth)]).ravel(), [-1, -1]]
    ).astype(np.int32)
    child = np.array(
        [node + 1 if split >= 0 else 0 for node, split in enumerate(feature)], np.int32
    )
    child[1::2] += 1  # of the node that went on, past its sibling
    Z = (rng.random((depth, n)) < 0.003).astype(np.uint8)
    masks = split_masks(
        feature,
        np.zeros(feature.size, np.int16),
        np.tile(np.arange(256, dtype=np.uint8), (depth, 1)),
    )
    rows = rng.permutation(n)[: n // 2].astype(np.int32)
    leaves = find_leaves(Z, NO_SUMS, rows, feature, masks, child)
    for i in range(0, rows.size, 50):
        node = 0
        while feature[node] >= 0:
            node = child[node] + Z[feature[node], rows[i]]
        assert leaves[i] == node
    assert np.unique(leaves).size > MAX_STACK
    assert find_leaves(Z, NO_SUMS, rows[:0], feature, masks, child).size == 0


def test_donor_and_remainder_are_uniform() -> None:
    u = np.random.default_rng(1).random(60_000)
    donors = pick_donors(
        np.zeros(60_000, np.int32), np.array([7], np.int32), np.array([13], np.int32), u
    )
    counts = np.bincount(donors, minlength=13)[7:]
    assert counts.sum() == 60_000
    assert np.all(np.abs(counts - 10_000) < 400)
    assert abs(u.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(u, donors)[0, 1]) < 0.02


def test_correspondence_order_of_a_binary_target_is_its_share() -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(1, 9, 5000).astype(np.uint8)
    share = np.array([0, 0.5, 0.1, 0.9, 0.3, 0.7, 0.2, 0.6, 0.4])
    y = (rng.random(5000) < share[x]).astype(np.int32)
    means = np.array([y[x == k].mean() for k in range(1, 9)])
    order = np.argsort(order_by_correspondence(x, y, 2)[1:9])
    assert list(order) in (list(np.argsort(means)), list(np.argsort(-means)))


def test_mean_order_puts_unseen_codes_at_the_overall_mean() -> None:
    x = np.array([1, 1, 2, 2], np.uint8)
    scores = order_by_mean(x, np.array([0.0, 2.0, 5.0, 9.0]))
    assert scores[1] == 1.0
    assert scores[2] == 7.0
    assert scores[77] == 4.0


def test_useless_splits_are_as_rare_with_many_classes_as_with_two() -> None:
    rng = np.random.default_rng(4)
    found = {}
    for classes in (2, 12):
        prices = split_prices(1.0, classes)
        trees = [
            grow_classes(
                rng.integers(0, 2, (1, 300)).astype(np.uint8),
                rng.integers(0, classes, 300).astype(np.int32),
                classes,
                prices,
            )
            for _ in range(2000)
        ]
        found[classes] = np.mean([tree[0].size > 1 for tree in trees])
    assert 0.06 < found[2] < 0.11  # P(chi-square with 1 degree of freedom > 3) is 0.083
    assert 0.06 < found[12] < 0.14

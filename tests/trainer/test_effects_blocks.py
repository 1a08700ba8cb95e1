"""Blocks of neighbors: no choice of a number sets one person apart."""

from __future__ import annotations

import numpy as np

from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_trainer.effects.models.blocks import BLOCK, around, in_blocks


def test_neighbors_are_in_blocks_of_persons_and_all_rows_of_a_number_in_one() -> None:
    values = np.random.default_rng(0).permutation(np.append(np.arange(95.0), [7.0] * 30 + [np.nan]))
    found = in_blocks(values)
    assert np.isnan(found[np.isnan(values)]).all()
    blocks, sizes = np.unique(found[~np.isnan(values)], return_counts=True)
    assert sizes.min() >= BLOCK
    assert blocks.size >= 8
    assert np.unique(found[values == 7.0]).size == 1
    order = np.argsort(values)
    assert (np.diff(found[order][:-1]) >= 0).all()


def test_a_number_of_many_is_itself_and_few_values_are_one_block() -> None:
    assert set(in_blocks(np.repeat([0.1, 5.49], 40))) == {0.1, 5.49}
    assert set(in_blocks(np.array([1.0, 3.0]))) == {2.0}
    assert in_blocks(np.array([np.nan])).size == 1


def test_blocks_count_persons_not_rows() -> None:
    values, persons = np.arange(100.0), np.arange(100) // 10
    assert np.unique(in_blocks(values, persons)).size == 1
    assert np.unique(in_blocks(values)).size == 10


def test_ends_are_means_of_persons() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 100.0])
    assert around(values, 0.0) == 3.0
    assert around(values, 1.0) == 24.0  # (3 + 4 + 5 + 6 + 100) / 5, whole
    assert around(values + 0.5, 0.5) == 4.5
    persons = np.array([0, 0, 0, 0, 0, 1, 2])
    assert around(values, 0.0, persons) == round(float(values.mean()))
    assert around(np.full(MIN_PERSONS, 0.1), 0.0) == 0.1

"""Uniform numbers of rows: uniform in each row, spread over the rows, fair in the first ones."""

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from simulacra_trainer.families.base import no_progress
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.families.spread import GROUP, LEAST_ROWS, spread_uniforms
from trainer_tables import survey

MANY = 10_000


def numbers(n: int, columns: int, seed: int = 0) -> np.ndarray:
    """Return the numbers, float64 [columns, n]."""
    return np.stack([*spread_uniforms(n, columns, np.random.default_rng(seed))])


@pytest.mark.parametrize("n", [0, 1, LEAST_ROWS - 1, LEAST_ROWS, 777])
def test_any_number_of_rows_has_numbers_below_one(n: int) -> None:
    drawn = numbers(n, 3)
    assert drawn.shape == (3, n)
    assert ((drawn >= 0.0) & (drawn < 1.0)).all()


def test_the_numbers_of_each_row_are_uniform_on_the_cube() -> None:
    drawn = np.stack([numbers(300, 3, seed) for seed in range(600)])
    for row in (0, 150, 299):
        assert min(kstest(drawn[:, column, row], "uniform").pvalue for column in range(3)) > 1e-4
        cells = (drawn[:, :, row] * 2).astype(int) @ [4, 2, 1]
        assert chisquare(np.bincount(cells, minlength=8)).pvalue > 1e-4


def test_every_column_is_spread_as_evenly_as_strata() -> None:
    filled = np.floor(numbers(4_096, GROUP + 2) * 4_096)
    assert all(np.unique(column).size == 4_096 for column in filled)


def test_pairs_of_columns_are_spread_over_the_square() -> None:
    first, second = numbers(4_096, 2)
    cells = np.bincount((first * 16).astype(int) * 16 + (second * 16).astype(int), minlength=256)
    assert np.var(cells) < 2.0  # 16 of independent numbers


def test_neighboring_rows_are_unrelated() -> None:
    for column in numbers(MANY, 8):
        assert abs(np.corrcoef(column[1:], column[:-1])[0, 1]) < 0.05


def test_columns_of_different_groups_are_unrelated() -> None:
    drawn = numbers(MANY, GROUP + 1)
    assert np.abs(np.corrcoef(drawn)[-1, :-1]).max() < 0.05


def test_the_first_rows_are_a_fair_sample() -> None:
    """They err as independent ones do, while all rows together err far less."""
    first, whole = [], []
    for seed in range(400):
        (column,) = numbers(1_000, 1, seed) < 0.3
        first.append(column[:50].mean())
        whole.append(column.mean())
    binomial = 0.3 * 0.7
    assert np.mean(first) == pytest.approx(0.3, abs=4 * np.sqrt(binomial / 50 / 400))
    assert 0.7 < np.var(first) / (binomial / 50) < 1.3
    assert np.var(whole) < 0.05 * binomial / 1_000


def test_numbers_depend_on_the_seed_alone() -> None:
    assert np.array_equal(numbers(1_000, 3, 1), numbers(1_000, 3, 1))
    assert not np.array_equal(numbers(1_000, 3, 1), numbers(1_000, 3, 2))


def test_shares_of_generated_rows_vary_less_than_binomial_ones() -> None:
    table, schema = survey(1_000, seed=1)
    model = FOREST.fit(table, schema, table.column_names, seed=0, options={}, progress=no_progress)
    draws = [model.sample(MANY, np.random.default_rng(seed)) for seed in range(20)]
    for name, level in (("city", "ada"), ("segment", "loyal")):
        shares = [np.mean(np.array(rows.column(name)) == level) for rows in draws]
        share = np.mean(shares)
        assert np.var(shares) < 0.6 * share * (1.0 - share) / MANY

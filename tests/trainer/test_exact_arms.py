"""Which numbers the rows that have exactly them compare, and what a curve does at a heap."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import EstimateRequest
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.models.exact_arms import are_exact, end_heaps
from simulacra_trainer.effects.scores import Scores, part_of
from simulacra_trainer.effects.slopes import Doses, sloped, spline_terms

N = 2_000
RNG = np.random.default_rng(5)
COUNT = RNG.poisson(9.0, N).astype(float)
NONE = np.where(RNG.random(N) < 0.3, 0.0, 1.0 + RNG.poisson(7.0, N))
HOURS = np.where(RNG.random(N) < 0.3, 40.0, np.round(35 + 9 * RNG.normal(size=N)))
SCALE = np.clip(np.round(6 + 2 * RNG.normal(size=N)), 0, 10)


@pytest.mark.parametrize(
    ("values", "asked", "exact"),
    [
        (SCALE, (8.0, 5.0), True),  # an effect may have any shape on a scale
        (np.minimum(COUNT // 4, 4.0), (3.0, 1.0), True),
        (np.where(np.arange(N) < 9, 99.0, SCALE), (8.0, 5.0), True),  # a code is no number more
        (COUNT, (11.0, 7.0), False),
        (NONE, (9.0, 6.0), False),
        (NONE, (6.0, 0.0), True),  # none at all is another kind
        (np.minimum(COUNT, 13.0), (13.0, 7.0), True),  # so is the top code
        (np.where(HOURS == 31, 30.0, HOURS), (40.0, 30.0), True),  # a norm
        (COUNT, (16.0, 9.0), False),  # too few have 16
    ],
)
def test_numbers_that_stand_for_a_kind_are_compared_exactly(
    values: np.ndarray, asked: tuple[float, float], exact: bool
) -> None:
    assert are_exact(values, asked) == exact


def test_codes_of_groups_are_compared_exactly_if_enough_people_have_them() -> None:
    assert are_exact(COUNT, (11.0, 7.0), groups=True)
    assert not are_exact(COUNT, (16.0, 9.0), groups=True)


@pytest.mark.parametrize(
    ("values", "heaps"),
    [
        (NONE, [0.0]),
        (np.minimum(RNG.normal(size=N), 1.0), [1.0]),  # a top code
        (COUNT, []),
        (HOURS, []),  # between its neighbors
        (SCALE, []),
        (np.append(NONE[1:], -1.0), [0.0]),  # one stray code does not hide them
        (np.repeat([0.0, 1.0], [1_500, 500]), []),
    ],
)
def test_heaps_at_the_ends_are_found(values: np.ndarray, heaps: list[float]) -> None:
    assert end_heaps(values) == heaps


@pytest.mark.parametrize("jump", [-2.0, 0.0])
def test_people_with_none_do_not_bend_the_curve_of_the_others(jump: float) -> None:
    terms, at = spline_terms(NONE, np.array([9.0, 5.0]))
    errors, sizes = [], []
    one, zero = np.ones(N), np.zeros(N)
    for seed in range(40):
        rng = np.random.default_rng([seed, 8])
        outcome = 0.1 * NONE + jump * (NONE == 0) + rng.normal(size=N)
        doses = Doses(terms, at, np.empty((N, 0)))
        scores = Scores(zero, one, (one, one), (one, one), zero, zero)
        part = part_of(sloped(scores, doses, outcome - outcome.mean(), one))
        errors.append(part.effect - 0.4)
        sizes.append(np.sqrt(part.variance))
    # Without a term for those with none, the jump is 1.9 standard errors of bias.
    assert abs(np.mean(errors)) < 0.5 * np.mean(sizes)
    assert np.mean(np.abs(errors) < 1.96 * np.array(sizes)) >= 0.85


@pytest.mark.parametrize(("with_eight", "exact"), [(100, True), (90, False)])
def test_some_of_the_rows_are_compared_as_all_of_them(with_eight: int, exact: bool) -> None:
    """Placebos and yardsticks judge the method of the answer, near its limits as well."""
    scale = np.where(np.arange(N) % 2, 3.0, 5.0)
    scale[:with_eight] = 8.0
    asked = (8.0, 5.0)
    table = pa.table({"scale": scale, "y": RNG.normal(size=N)})
    columns = [ColumnSchema(name=one, kind="numeric", storage="double") for one in ("scale", "y")]
    schema = TableSchema(rows=N, columns=columns)
    request = EstimateRequest(treatment="scale", value=8, baseline=5, outcome="y")
    whole = Estimator(table, schema, request, seed=0)
    assert (whole.contrast.design == "levels") == are_exact(scale, asked) == exact
    few = np.arange(50, N) if exact else np.arange(1_000)
    assert are_exact(scale[few], asked) != exact  # as these rows alone would be
    for part in (whole.at(few, seed=1), whole.permuted(1_000, seed=1)):
        assert part.contrast.design == whole.contrast.design
        assert part.method == whole.method

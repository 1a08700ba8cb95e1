"""Numeric treatments: width and coverage of the curve's contrast, its weights, and its bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import EstimateRequest
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.overlap.answered import effect_bounds
from simulacra_trainer.effects.scores import Scores, part_of, summarize
from simulacra_trainer.effects.slopes import Doses, sloped, spline_terms

VALUE, BASELINE = 0.8, -0.8
Curve = Callable[[np.ndarray], np.ndarray]


def _scores(n: int, weights: np.ndarray | None = None) -> Scores:
    one, none = np.ones(n), np.zeros(n)
    return Scores(none, one, (one, one), (one, one), none, none, weights)


def _drawn(curve: Curve, n: int, seed: int) -> tuple[Doses, np.ndarray]:
    """Return residuals as of models that know the truth: z moves the treatment's slope."""
    rng = np.random.default_rng([seed, 4])
    z, t = rng.normal(size=(2, n))
    terms, at = spline_terms(t, np.array([VALUE, BASELINE]))
    outcome = curve(t) + 0.3 * z * t + (1 + 0.3 * np.abs(z)) * rng.normal(size=n)
    return Doses(terms, at, z[:, None]), outcome


@pytest.mark.parametrize("curve", [lambda t: 0.5 * t, np.tanh, lambda t: 0.3 * t + 0.2 * t**2])
def test_curve_covers_and_costs_little_more_than_a_line(curve: Curve) -> None:
    truth = float(np.diff(curve(np.array([BASELINE, VALUE])))[0])
    found = []
    for seed in range(120):
        slopes, outcome = _drawn(curve, 400, seed)
        one = summarize([sloped(_scores(400), slopes, outcome, np.ones(400))])
        line = np.sqrt(np.mean(outcome**2) / 400) * (VALUE - BASELINE)
        found.append((one.low <= truth <= one.high, one.error / line))
    covered, width = np.mean(found, axis=0)
    assert covered >= 0.9  # .93 or more in benchmarks/results/effects.md, of more draws
    assert width < 1.9  # of a line; the rows near the two values alone have 3


def test_row_with_twice_the_weight_counts_as_two_and_rows_outside_do_not_count() -> None:
    slopes, outcome = _drawn(np.tanh, 300, 0)
    twice = np.arange(300) < 150
    again = np.concatenate([np.arange(300), np.flatnonzero(twice)])
    effects = []
    for weights, rows in ((1.0 + twice, np.arange(300)), (None, again)):
        chosen = replace(slopes, terms=slopes.terms[:, rows], crossed=slopes.crossed[rows])
        scores = sloped(_scores(rows.size, weights), chosen, outcome[rows], np.ones(rows.size))
        effects.append(part_of(scores).effect)
    assert np.isclose(effects[0], effects[1], atol=0.02)
    wild = np.where(twice, outcome, 1e6)
    inside = twice.astype(np.float64)
    tilted = replace(_scores(300), tilt=inside)
    apart = [part_of(sloped(tilted, slopes, y, inside)).effect for y in (outcome, wild)]
    assert apart[0] == apart[1]
    nobody = sloped(_scores(300, np.zeros(300)), slopes, outcome, np.ones(300))
    assert nobody.square == 0.0  # that they are too few is said elsewhere


@pytest.mark.parametrize(
    "values",
    [
        np.repeat([0.0, 1.0, 2.0], 50),
        np.append(np.zeros(140), np.arange(10.0)),
        np.append(np.linspace(18, 90, 149), 1e9),
        np.repeat([0.0, 1e-12, 2e-12, 1.0, 3.0], 30),
    ],
)
def test_terms_are_told_apart_whatever_the_numbers(values: np.ndarray) -> None:
    terms, at = spline_terms(values, np.array([values[70], values[20]]))
    assert np.allclose(terms @ terms.T / values.size, np.eye(len(terms)), atol=1e-3)
    assert np.abs(at).max() < 10
    if values.max() == 1e9:  # one code does not take the place of all ages
        assert terms[0, :149].std() > 0.5


def test_bounds_for_everybody_use_the_predicted_outcome_of_numbers() -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(size=600)
    t = 0.5 * z + rng.normal(size=600)
    table = pa.table({"z": z, "t": t, "y": 50 + 2 * t + z + rng.normal(size=600)})
    columns = [ColumnSchema(name=name, kind="numeric", storage="double") for name in "zty"]
    request = EstimateRequest(treatment="t", value=1.0, baseline=-1.0, outcome="y", before=["z"])
    estimator = Estimator(table, TableSchema(rows=600, columns=columns), request, 0)
    fits = estimator.predictions(["z"])
    rows = z > 1
    low, high = effect_bounds(
        estimator.contrast, fits, np.array([rows, ~np.ones(600, np.bool_)]), rows, rows
    )
    assert -8 < low < 4 < high < 14  # the other value's outcome is near 50, not 0
    found = estimator.effect(["z"])
    assert found.low <= 4.0 <= found.high
    assert found.error < 1.5 * np.sqrt(1 / 600) * 2.0

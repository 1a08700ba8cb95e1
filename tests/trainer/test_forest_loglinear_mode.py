"""Solvers of log-linear regressions find the most probable weights, and sums are those of all
items.
"""

import tracemalloc

import numpy as np
import pytest
from scipy.optimize import minimize

from simulacra_trainer.families.forest.factors.battery import STRIDE, Battery, RunningSums
from simulacra_trainer.families.forest.regression import loglinear_mode, loglinear_problem
from simulacra_trainer.families.forest.regression.loglinear_mode import fit_weights
from simulacra_trainer.families.forest.regression.loglinear_problem import (
    INTERCEPT_PRECISION,
    Regression,
)
from simulacra_trainer.families.forest.regression.loglinear_terms import Grouping, scores_of


def regression(classes: int, *, ordered: bool, untied: int = 0) -> tuple[Regression, np.ndarray]:
    """Return a weighted regression of classes on three functions, and a prior."""
    rng = np.random.default_rng(classes)
    X = rng.normal(size=(300, 3))
    X[:, 2] = X[:, 0] + 0.1 * X[:, 2]  # collinear, as a line and its deviations are
    y = np.clip(np.round(X[:, 0] + rng.normal(size=300) + classes / 2), 0, classes - 1)
    y = np.unique(y, return_inverse=True)[1].reshape(-1)
    is_tied = np.arange(y.max() + 1) >= untied
    rank = np.arange(y.max() + 1) if ordered else None
    weight = rng.uniform(0.5, 1.5, 300)
    problem = Regression(
        X, [slice(0, 2), slice(2, 3)], y, scores_of(Grouping(y, rank, is_tied), weight), weight
    )
    return problem, rng.uniform(0.2, 3.0, problem.shape[0])[:, None] * np.ones(problem.shape)


def loss(problem: Regression, prior: np.ndarray, parameters: np.ndarray) -> float:
    """Return the negative log posterior, written down plainly."""
    size = problem.scores.share.size
    b, W = parameters[:size], parameters[size:].reshape(problem.shape)
    odds = problem.base + b + problem.X @ W @ problem.scores.values.T
    log_share = odds - np.log(np.exp(odds).sum(axis=1, keepdims=True))
    nats = -problem.weight @ log_share[np.arange(problem.y.size), problem.y]
    priors = INTERCEPT_PRECISION * b @ b + np.sum((W / prior) ** 2)
    return float(nats + 0.5 * priors)


@pytest.mark.parametrize(
    ("most", "products"),
    [(0, 0), (10**6, 10**6), (10**6, 0)],
    ids=["lbfgs", "newton", "newton without products"],
)
@pytest.mark.parametrize(
    ("classes", "ordered", "untied"), [(2, False, 0), (5, True, 0), (4, False, 0), (5, False, 2)]
)
def test_weights_are_the_most_probable_ones(
    classes: int,
    ordered: bool,
    untied: int,
    most: int,
    products: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loglinear_mode, "MAX_NEWTON", most)
    monkeypatch.setattr(loglinear_problem, "MAX_PRODUCTS", products)
    problem, prior = regression(classes, ordered=ordered, untied=untied)
    b, W = fit_weights(problem, prior)
    size = problem.scores.share.size + W.size
    found = loss(problem, prior, np.append(b, W))
    best = minimize(lambda at: loss(problem, prior, at), np.zeros(size), options={"gtol": 1e-6})
    assert found - best.fun < 1e-3
    far = (b + 1.0, 4.0 * W + 0.5)
    assert loss(problem, prior, np.append(*fit_weights(problem, prior, far))) - best.fun < 2e-3


def test_memory_of_a_long_regression_grows_with_its_functions_not_their_pairs() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20_000, 50))
    y = (X[:, 0] + rng.normal(size=20_000) > 0).astype(np.int64)
    weight = np.ones(y.size)
    scores = scores_of(Grouping(y, None, np.ones(2, np.bool_)), weight)
    problem = Regression(X, [slice(0, 50)], y, scores, weight)
    tracemalloc.start()
    fit_weights(problem, np.ones(problem.shape))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * X.nbytes


@pytest.mark.parametrize("keeps_all", [True, False])
def test_running_sums_do_not_depend_on_what_was_asked_before(keeps_all: bool) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 7, (30, 50)).astype(np.uint8)  # codes 5 and 6 count as the last
    battery = Battery(
        np.arange(30, dtype=np.int32)[::-1].copy(),
        np.arange(0, 31 * 5, 5, dtype=np.int32),
        np.abs(rng.normal(size=(150, 3))),
    )
    sums, items = RunningSums(keeps_all=keeps_all), np.arange(30, dtype=np.int32)
    asked = [items[:20], items[:7], items[: STRIDE + 1], items[:20], items[[4, 2]], items]
    for some in asked:
        found = sums.of(battery, codes, some)
        rows = [battery.table(i)[np.minimum(codes[battery.columns[i]], 4)] for i in some]
        expected = np.sum(rows, axis=0)
        expected[:, -1] = np.log1p(expected[:, -1])
        assert np.allclose(found, expected)

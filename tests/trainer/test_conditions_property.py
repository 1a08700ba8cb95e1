"""Random requests on random pools, against brute force and generic optimizers on tiny ones."""

import itertools

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from simulacra_schema.conditions import ConditionSet
from simulacra_trainer.conditions import InfeasibleError, plan_rows
from simulacra_trainer.conditions.cells import find_cells
from simulacra_trainer.conditions.margins import TOLERANCE, rake

LEVELS = "abcd"
SETTINGS = settings(max_examples=120, deadline=None, derandomize=True)


def table_of(codes: np.ndarray) -> pa.Table:
    """A table of categorical columns; code -1 is missing."""
    columns = {}
    for j in range(codes.shape[1]):
        values = [LEVELS[c] if c >= 0 else None for c in codes[:, j]]
        columns[f"c{j}"] = pa.array(values, pa.string()).dictionary_encode()
    return pa.table(columns)


def attained(codes: np.ndarray, indices: np.ndarray, asked: dict) -> dict:
    rows = codes[indices]
    return {
        (c, v): int((rows[:, int(c[1:])] == LEVELS.index(v)).sum()) for c in asked for v in asked[c]
    }


def meets(count: int, share: float, n: int) -> bool:
    return abs(count - share * n) < 1 - 1e-6


@st.composite
def attainable_requests(draw):
    """Shares of a weighting of the pool's rows, feasible by construction."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    columns = draw(st.integers(1, 4))
    codes = rng.integers(-1, draw(st.integers(1, 4)), size=(draw(st.integers(1, 400)), columns))
    weight = rng.dirichlet(np.full(len(codes), draw(st.sampled_from([0.05, 0.5, 5.0]))))
    asked = {}
    for j in range(columns):
        named = [v for v in range(4) if rng.random() < 0.6] or [0]
        asked[f"c{j}"] = {LEVELS[v]: float(min(1.0, weight[codes[:, j] == v].sum())) for v in named}
    return codes, asked, draw(st.sampled_from([100, 1_000, 20_000])), rng


@SETTINGS
@given(attainable_requests())
def test_every_feasible_request_is_met(case):
    codes, asked, n, rng = case
    plan = plan_rows(table_of(codes), ConditionSet(categorical=asked), n, rng)
    counts = attained(codes, plan.indices, asked)
    reported = {(o.column, o.level): (o.attained, o.met) for o in plan.attainment.conditions}
    for (column, level), count in counts.items():
        share, met = reported[column, level]
        assert share == count / n
        assert met == meets(count, asked[column][level], n)
        # the margins are feasible as fractions; whole rows on a sparse support may lie one row off,
        # never more
        assert abs(count - asked[column][level] * n) < 2 + 1e-6
    if len(asked) <= 2:  # two-way tables are totally unimodular: whole rows exist
        assert plan.attainment.status == "exact"


@st.composite
def tiny_requests(draw):
    """Any shares on a tiny pool and few rows, so that integer tables can be enumerated."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    columns = draw(st.integers(1, 3))
    codes = rng.integers(0, 3, size=(draw(st.integers(1, 5)), columns))
    asked = {}
    for j in range(columns):
        named = draw(st.integers(1, 3))
        shares = rng.dirichlet(np.ones(named + 1))[:named]
        asked[f"c{j}"] = {LEVELS[v]: float(s) for v, s in enumerate(shares)}
    return codes, asked, draw(st.integers(2, 8)), rng


@SETTINGS
@given(tiny_requests())
def test_infeasible_requests_miss_by_as_few_rows_as_a_full_search(case):
    codes, asked, n, rng = case
    plan = plan_rows(table_of(codes), ConditionSet(categorical=asked), n, rng)
    cells = np.unique(codes, axis=0)
    best = np.inf
    possible = False
    for split in itertools.combinations_with_replacement(range(len(cells)), n):
        counts = attained(cells, np.array(split), asked)
        deviations = [abs(count - asked[c][v] * n) for (c, v), count in counts.items()]
        best = min(best, sum(deviations))
        possible |= all(d < 1 - 1e-6 for d in deviations)
    assert (plan.attainment.status == "exact") == possible
    mine = sum(
        abs(k - asked[c][v] * n) for (c, v), k in attained(codes, plan.indices, asked).items()
    )
    assert mine <= best + len(plan.attainment.conditions)  # the rounding of each margin at most


@SETTINGS
@given(tiny_requests())
def test_infeasible_margins_move_by_the_smallest_total(case):
    """With many rows rounding vanishes, and the distance equals that of another solver."""
    codes, asked, _, rng = case
    n = 100_000
    plan = plan_rows(table_of(codes), ConditionSet(categorical=asked), n, rng)
    mine = sum(abs(o.moved_by) for o in plan.attainment.conditions)
    cells = np.unique(codes, axis=0)
    rows = np.array(
        [cells[:, int(c[1:])] == LEVELS.index(v) for c in asked for v in asked[c]], dtype=float
    )
    target = np.array([s for c in asked for s in asked[c].values()])
    assert mine <= smallest_distance(rows, target) + 2e-4


def smallest_distance(rows: np.ndarray, target: np.ndarray) -> float:
    """min |rows p - target|_1 over the simplex, by SLSQP on split variables (no linear program)."""
    margins, count = rows.shape
    start = np.concatenate([np.full(count, 1 / count), np.ones(margins), np.ones(margins)])
    equal = {
        "type": "eq",
        "fun": lambda z: np.append(
            rows @ z[:count] + z[count : count + margins] - z[count + margins :] - target,
            z[:count].sum() - 1,
        ),
    }
    found = minimize(
        lambda z: z[count:].sum(),
        start,
        bounds=[(0, None)] * len(start),
        constraints=[equal],
        options={"maxiter": 500},
    )
    assert found.success
    return float(found.fun)


@SETTINGS
@given(st.integers(0, 2**31))
def test_raking_is_the_minimum_kl_table(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, size=(300, 2))
    cells = find_cells([codes[:, 0], codes[:, 1]], [3, 3], 300)
    targets = np.concatenate([rng.dirichlet(np.full(3, 3.0)), rng.dirichlet(np.full(3, 3.0))])
    p, error = rake(cells, cells.weight, targets, 500)
    assert error <= TOLERANCE
    incidence = cells.incidence.toarray()[:5]  # the sixth margin follows from the others
    generic = minimize(
        lambda x: np.sum(x * np.log(np.maximum(x, 1e-300) / cells.weight)),
        np.outer(targets[:3], targets[3:]).ravel(),
        jac=lambda x: np.log(np.maximum(x, 1e-300) / cells.weight) + 1,
        bounds=[(1e-12, 1)] * 9,
        constraints=[
            {"type": "eq", "fun": lambda x: incidence @ x - targets[:5], "jac": lambda x: incidence}
        ],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert generic.success
    mine = np.sum(p * np.log(p / cells.weight))
    assert mine <= generic.fun + 1e-6
    assert np.abs(p - generic.x).max() < 1e-3


@SETTINGS
@given(tiny_requests())
def test_hard_conditions_always_hold(case):
    codes, _, n, rng = case
    asked = {"c0": {"a": 0.5, "b": 0.5}} | {f"c{j}": {"c": 0.0} for j in range(1, codes.shape[1])}
    allowed = (codes[:, 0] < 2) & (codes[:, 1:] != 2).all(axis=1)
    try:
        plan = plan_rows(table_of(codes), ConditionSet(categorical=asked), n, rng)
    except InfeasibleError:
        assert not allowed.any()
    else:
        assert allowed[plan.indices].all()


def test_boundary_requests_converge_to_their_exact_tilt():
    """Feasible only with an empty cell: plain raking crawls (error ~ 1/sweeps), the support program
    settles it.
    """
    codes = np.repeat([[0, 0], [0, 1], [1, 1]], [50, 30, 20], axis=0)  # (b, a) is not in the pool
    plan = plan_rows(
        table_of(codes),
        ConditionSet(categorical={"c0": {"b": 0.4}, "c1": {"b": 0.4}}),
        1_000,
        np.random.default_rng(0),
    )
    counts = attained(codes, plan.indices, {"c0": "b", "c1": "b"})
    assert counts == {("c0", "b"): 400, ("c1", "b"): 400}
    assert np.isclose(plan.attainment.kl_nats, 0.4 * np.log(2) + 0.6 * np.log(1.2), atol=1e-6)

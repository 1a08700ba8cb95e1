"""Attackers of `membership.py` that are not those of the product's report.

Whoever has generated rows alone asks of a person: was he in the table?

- nearness: the distance to the nearest generated row.
- pairs: that of the report, with all columns and more rows.
- trained: the attacker knows of four in five persons whether they were in the table, and learns
  from them what tells it: every score of every column, nearness at three depths, and pairs (ridge
  logistic regression, out of fold). No sum of these scores tells more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_trainer.report.attackers.attacks import Matrix, nearest_rows, points_of
from simulacra_trainer.report.attackers.membership import (
    VALUES,
    WORDS,
    Advantage,
    PersonRows,
    advantage,
    column_scores,
)
from simulacra_trainer.report.attackers.pairs_of_answers import pair_scores

Floats = npt.NDArray[np.float64]
DEPTHS = (1, 5, 20)
MOST_ROWS = 20_000
FOLDS = 5
RIDGE = 20.0
"""Keeps a hundred scores of a few hundred people from fitting chance."""
STEPS = 25
OUTSIDE = ("nearness", "pairs", "trained")


def attacked_outside(
    members: pa.Table, controls: pa.Table, drawn: pa.Table
) -> dict[str, Advantage]:
    """Return what each attacker gains; the columns are those of the generated rows."""
    rows = drawn.slice(0, MOST_ROWS)
    names = [name for name in rows.column_names if name in members.column_names]
    of_members, of_controls, points = points_of(members, [members, controls, rows], names)
    near = [_depths(of.rows, points.rows) for of in (of_members, of_controls)]
    pairs = [pair_scores(people, rows, names) for people in (members, controls)]
    own = own_scores(members, controls, drawn, names)
    cut = members.num_rows
    features = np.column_stack([np.concatenate(near), np.concatenate(pairs), own])
    scored = _out_of_fold(features, np.arange(len(features)) < cut)
    return {
        "nearness": advantage(near[0][:, 0], near[1][:, 0]),
        "pairs": advantage(*pairs),
        "trained": advantage(scored[:cut], scored[cut:]),
    }


def own_scores(
    members: pa.Table, controls: pa.Table, drawn: pa.Table, names: Sequence[str]
) -> Floats:
    """Return the report's scores of each column and each person, float64 [n, scores]."""
    people = [PersonRows(members), PersonRows(controls)]
    found = [np.empty((members.num_rows + controls.num_rows, 0))]
    for name in names:
        scores = column_scores(people, drawn, name)
        found += [np.concatenate(scores[of])[:, None] for of in (*VALUES, WORDS) if of in scores]
    return np.hstack(found)


def _depths(people: Matrix, drawn: Matrix) -> Floats:
    """Return minus the logarithms of the distances to near rows, float64 [n, depths]."""
    squares, _ = nearest_rows(people, drawn, max(DEPTHS))
    return -np.log(np.maximum(squares, 1e-9))[:, [depth - 1 for depth in DEPTHS]] / 2.0


def _out_of_fold(features: Floats, is_member: npt.NDArray[np.bool_]) -> Floats:
    """Return log odds of a person who was not learned from, float64 [n]."""
    spread = features.std(axis=0)
    z = (features[:, spread > 0] - features[:, spread > 0].mean(axis=0)) / spread[spread > 0]
    z = np.column_stack([np.ones(len(z)), np.clip(z, -4.0, 4.0)])
    fold = np.random.default_rng(3).permutation(len(z)) % FOLDS
    out = np.zeros(len(z))
    for k in range(FOLDS):
        learned = fold != k
        out[~learned] = z[~learned] @ _ridge(z[learned], is_member[learned].astype(np.float64))
    return out


def _ridge(x: Floats, y: Floats) -> Floats:
    """Return the coefficients of a ridge logistic regression by Newton's method."""
    penalty = np.diag([0.0] + [RIDGE] * (x.shape[1] - 1))
    beta = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = 1.0 / (1.0 + np.exp(-x @ beta))
        gradient = x.T @ (y - p) - penalty @ beta
        step = np.linalg.solve(
            (x.T * (p * (1.0 - p))) @ x + penalty + 1e-9 * np.eye(beta.size), gradient
        )
        beta = beta + step
        if np.abs(step).max() < 1e-6:
            break
    return beta

"""Attacks with generated rows: what they tell about members of the table, against controls.

A control is a person of the same population whose row the model did not see. An attacker who gains
nothing treats both alike, so every figure is a difference between members and controls:

- nearness: how well the distance to the nearest generated row tells members from controls (AUC).
- inference: an attacker knows all columns of a person but one and takes it from the nearest
  generated row (Giomi et al., Anonymeter, 2023).
- linkage: an attacker holds two halves of the columns, and links them if both are near to a common
  generated row (ibid.).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_trainer.report.comparison.columns import (
    FloatArray,
    IntArray,
    is_category,
    level_codes,
    numbers,
)

Matrix = npt.NDArray[np.float32]
SECRETS = 8
"""Columns that are guessed, one at a time."""
CLOSE = 0.06
"""A number is guessed if its rank differs by less than about this share."""
NEIGHBORS = 5
ROWS_AT_A_TIME = 256


@dataclass(frozen=True)
class Gain:
    """What an attacker gains on members beyond controls, and its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class Points:
    """Rows as points in which a level that differs counts 1, and a number its difference of ranks.

    Attributes:
        rows: float32 [n, dimensions].
        columns: dimensions of each column.
    """

    rows: Matrix
    columns: list[IntArray]

    def of(self, columns: npt.NDArray[np.integer]) -> Matrix:
        """Return the dimensions of some columns, float32 [n, k]."""
        return self.rows[:, np.concatenate([self.columns[j] for j in columns])]


def points_of(scale: pa.Table, tables: list[pa.Table], names: list[str]) -> list[Points]:
    """Return each table as points; ranks of numbers are those in `scale`."""
    parts: list[list[Matrix]] = [[] for _ in tables]
    columns, begin = [], 0
    for name in names:
        drawn = _levels(tables, name) if is_category(scale, name) else _ranks(scale, tables, name)
        for into, part in zip(parts, drawn, strict=True):
            into.append(part)
        columns.append(np.arange(begin, begin + drawn[0].shape[1]))
        begin += drawn[0].shape[1]
    return [Points(np.hstack(part), columns) for part in parts]


def _levels(tables: list[pa.Table], name: str) -> list[Matrix]:
    codes, size = level_codes(tables, name)
    half = np.float32(np.sqrt(0.5))
    return [np.eye(size, dtype=np.float32)[of] * half for of in codes]


def _ranks(scale: pa.Table, tables: list[pa.Table], name: str) -> list[Matrix]:
    known = numbers(scale, name)
    distinct, counts = np.unique(known[~np.isnan(known)], return_counts=True)
    upto = np.append(0, np.cumsum(counts))
    parts = [numbers(table, name) for table in tables]
    values = np.concatenate(parts)
    missing = np.isnan(values)
    place = np.searchsorted(distinct, values)
    is_known = np.append(distinct, np.nan)[place] == values
    below = upto[place] + upto[place + is_known]  # twice the rows below, and the equal ones
    rank = np.where(missing, 0.5, below / (2.0 * max(upto[-1], 1)))
    both = np.column_stack([rank, 0.7 * missing]).astype(np.float32)
    return np.split(both, np.cumsum([part.size for part in parts])[:-1])


def nearest_rows(rows: Matrix, others: Matrix, k: int = 1) -> tuple[FloatArray, IntArray]:
    """Return the squared distances and places of the k nearest others, ascending, [n, k] each."""
    distance, place = np.empty((len(rows), k)), np.empty((len(rows), k), np.int64)
    size = np.sum(others**2, axis=1)
    for begin in range(0, len(rows), ROWS_AT_A_TIME):
        block = slice(begin, begin + ROWS_AT_A_TIME)
        apart = size - 2.0 * rows[block] @ others.T
        if k == 1:  # several times faster
            near = np.argmin(apart, axis=1)[:, None]
        else:
            near = np.argpartition(apart, k - 1, axis=1)[:, :k]
        of = np.take_along_axis(apart, near, axis=1)
        order = np.argsort(of, axis=1, kind="stable")
        place[block] = np.take_along_axis(near, order, axis=1)
        own = np.sum(rows[block] ** 2, axis=1)[:, None]
        distance[block] = np.take_along_axis(of, order, axis=1) + own
    return distance, place


def auc(members: FloatArray, controls: FloatArray) -> Gain:
    """Return P(member's score > control's) - 1/2 with its error (DeLong et al., 1988)."""
    m, n = members.size, controls.size
    ranks = _mean_ranks(np.append(members, controls))
    above = (ranks[:m] - _mean_ranks(members)) / n
    below = 1.0 - (ranks[m:] - _mean_ranks(controls)) / m
    error = np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n)
    return Gain(float(above.mean()) - 0.5, float(error))


def _mean_ranks(values: FloatArray) -> FloatArray:
    """Return ranks from 1, ties at their mean; scipy.stats takes half a second to import."""
    in_order = np.sort(values)
    ends = [np.searchsorted(in_order, values, side) for side in ("left", "right")]
    return np.asarray(ends[0] + ends[1] + 1) / 2.0


def nearness(members: Points, controls: Points, drawn: Points) -> Gain:
    """Return the AUC above 1/2 of the distance to the nearest generated row."""
    near, far = (nearest_rows(of.rows, drawn.rows)[0][:, 0] for of in (members, controls))
    return auc(-near, -far)


def inference(members: Points, controls: Points, drawn: Points, rng: np.random.Generator) -> Gain:
    """Return the accuracy of guessed columns on members less that on controls."""
    secrets = rng.permutation(len(drawn.columns))[:SECRETS]
    hits = [np.mean(_guessed(people, drawn, secrets), axis=0) for people in (members, controls)]
    return _difference(*hits)


def _guessed(people: Points, drawn: Points, secrets: IntArray) -> npt.NDArray[np.bool_]:
    """Return whether the row nearest in all other columns has the secret, bool [secrets, n].

    The distance in the other columns is that in all of them less that in the secret one.
    """
    hits = np.empty((secrets.size, len(people.rows)), np.bool_)
    size = np.sum(drawn.rows**2, axis=1)
    own = [(people.of(secret), drawn.of(secret)) for secret in secrets[:, None]]
    sizes = [np.sum(known**2, axis=1) for _, known in own]
    for begin in range(0, len(people.rows), ROWS_AT_A_TIME):
        block = slice(begin, begin + ROWS_AT_A_TIME)
        apart = size - 2.0 * people.rows[block] @ drawn.rows.T
        for hit, (true, known), own_size in zip(hits, own, sizes, strict=True):
            others = 2.0 * true[block] @ known.T
            np.subtract(own_size, others, out=others)
            np.subtract(apart, others, out=others)
            guess = known[np.argmin(others, axis=1)]
            hit[block] = np.abs(true[block] - guess).sum(axis=1) < CLOSE
    return hits


def linkage(members: Points, controls: Points, drawn: Points, rng: np.random.Generator) -> Gain:
    """Return the share of members whose halves share a near row, less that of controls."""
    columns = rng.permutation(len(drawn.columns))
    one, other = columns[: columns.size // 2], columns[columns.size // 2 :]
    linked = []
    for people in (members, controls):
        first, second = (
            nearest_rows(people.of(part), drawn.of(part), NEIGHBORS)[1] for part in (one, other)
        )
        common = (first[:, :, None] == second[:, None, :]).any(axis=(1, 2))
        linked.append(common.astype(np.float64))
    return _difference(*linked)


def pooled(gains: list[Gain]) -> Gain:
    """Return the mean of independent gains."""
    values, errors = [of.value for of in gains], [of.error for of in gains]
    return Gain(float(np.mean(values)), float(np.sqrt(np.sum(np.square(errors)))) / len(gains))


def _difference(members: FloatArray, controls: FloatArray) -> Gain:
    error = np.sqrt(members.var() / members.size + controls.var() / controls.size)
    return Gain(float(members.mean() - controls.mean()), float(error))

"""Half-models and their holdout: rows of a model of one half of a table, compared with both halves.

If more than 1/2 of the synthetic rows are nearer to the seen half, the model copies. A half-model
copies somewhat more than a model of all rows does.

In a small table this share depends on chance: rows near the center of the table are the nearest
ones to most synthetic rows, and the half that holds them wins (independent columns of 110 rows:
0.25 and 0.83 in two splits). With the halves exchanged the same rows count the other way, so small
tables are tested both ways.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_intake.rows_of_persons import Ints, split_persons
from simulacra_trainer.families.base import FittedModel

MAX_HALF_ROWS = 10_000
MAX_HALF_CELLS = 400_000
SYNTHETIC_ROWS = 20_000
EXCHANGE_BELOW = 2_000
"""Halves of fewer rows than this are exchanged."""
SPLIT_TWICE_BELOW = 250
"""A table with halves of fewer rows than this is split twice."""


@dataclass(frozen=True)
class Halves:
    """The rows that a half-model sees, and as many unseen ones."""

    seen: pa.Table
    unseen: pa.Table


@dataclass(frozen=True)
class HalfModelRows:
    """Synthetic rows of a half-model, with the learned columns of the halves.

    model: the half-model, where it is kept; learned: the rows that it was fit on.
    """

    halves: Halves
    synthetic: pa.Table
    model: FittedModel | None = None
    learned: pa.Table | None = None


def split_halves(table: pa.Table, *, seed: int, persons: Ints | None = None) -> Halves:
    """Split a clean table, or a sample of a big one, into halves; see `exchanged_halves`."""
    return next(_splits(table, persons, seed))


def exchanged_halves(table: pa.Table, *, seed: int, persons: Ints | None = None) -> list[Halves]:
    """Return the halves that the copying test averages over; the first is `split_halves`.

    persons: of each row, int64 [n]; all rows of a person are in the same half.
    """
    splits = _splits(table, persons, seed)
    halves = next(splits)
    if halves.seen.num_rows >= EXCHANGE_BELOW:
        return [halves]
    chosen = [halves] if halves.seen.num_rows >= SPLIT_TWICE_BELOW else [halves, next(splits)]
    return [each for one in chosen for each in (one, Halves(one.unseen, one.seen))]


def _splits(table: pa.Table, persons: Ints | None, seed: int) -> Iterator[Halves]:
    half = min(table.num_rows // 2, MAX_HALF_ROWS, max(MAX_HALF_CELLS // table.num_columns, 1000))
    rng = np.random.default_rng([seed, 17])
    while True:
        rows = split_persons(persons, table.num_rows, rng)[: 2 * half]
        cut = half if persons is None else _end_of_person(persons[rows], half)
        yield Halves(table.take(np.sort(rows[:cut])), table.take(np.sort(rows[cut:])))


def _end_of_person(persons: Ints, near: int) -> int:
    """Return the place nearest to `near` where one person's rows end; persons: grouped."""
    ends = np.flatnonzero(np.diff(persons)) + 1
    return int(ends[np.argmin(np.abs(ends - near))]) if ends.size else near


def draw_rows(
    model: FittedModel, halves: Halves, *, seed: int, learned: pa.Table | None = None
) -> HalfModelRows:
    """Draw twice from a model that was fit on the seen half, as many rows each time.

    Rows of one draw keep away from each other; two draws tell how much noise is left.

    learned: rows that the model was fit on, if others than the seen half (differential privacy).
    """
    count = min(SYNTHETIC_ROWS, 4 * halves.seen.num_rows) // 2
    rng = np.random.default_rng([seed, 18])
    rows = pa.concat_tables([model.sample(count, rng) for _ in range(2)]).combine_chunks()
    names = [name for name in halves.seen.column_names if name in model.columns]
    return HalfModelRows(halves, rows.select(names), model, learned or halves.seen)

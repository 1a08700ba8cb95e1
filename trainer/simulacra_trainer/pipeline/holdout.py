"""Two equal halves of a table: what a model that saw only one of them draws is judged against both.

A share of synthetic rows nearer to the seen half above 1/2 is copying. A half-model learns from
half the rows and so copies rather more than a model of all rows will.

Few rows make the share of one split a matter of chance: the rows in the middle of the table are the
nearest ones to most synthetic rows, and the half that has them gets the credit (independent columns
of 110 rows: 0.25 and 0.83 in two splits). With the halves exchanged the same rows count the other
way, so small tables are tested both ways round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_crds.contract.schema import TableSchema
from simulacra_trainer.families.base import Family, FittedModel, Options, Progress

MAX_HALF_ROWS, MAX_HALF_CELLS = 10_000, 400_000
SYNTHETIC_ROWS = 20_000
FEW_ROWS, FEWEST_ROWS = 2_000, 250
"""Halves of fewer rows than this are exchanged; of fewer than that, the table is split twice."""


@dataclass(frozen=True)
class Halves:
    """Rows that half-models see, and as many that they do not."""

    seen: pa.Table
    unseen: pa.Table


@dataclass(frozen=True)
class HalfModelRows:
    """What a half-model drew, the learned columns as in the halves."""

    halves: Halves
    synthetic: pa.Table


def split_halves(table: pa.Table, *, seed: int) -> Halves:
    """Split a clean table; of a big one a sample of the rows."""
    return next(_splits(table, seed))


def exchanged_halves(table: pa.Table, *, seed: int) -> list[Halves]:
    """Return the halves that the copying test averages over; the first is `split_halves`."""
    splits = _splits(table, seed)
    halves = next(splits)
    if halves.seen.num_rows >= FEW_ROWS:
        return [halves]
    chosen = [halves] if halves.seen.num_rows >= FEWEST_ROWS else [halves, next(splits)]
    return [way for one in chosen for way in (one, Halves(one.unseen, one.seen))]


def _splits(table: pa.Table, seed: int) -> Iterator[Halves]:
    half = min(table.num_rows // 2, MAX_HALF_ROWS, max(MAX_HALF_CELLS // table.num_columns, 1000))
    rng = np.random.default_rng([seed, 17])
    while True:
        rows = rng.permutation(table.num_rows)[: 2 * half]
        yield Halves(table.take(np.sort(rows[:half])), table.take(np.sort(rows[half:])))


def draw_half_model(
    family: Family,
    halves: Halves,
    schema: TableSchema,
    order: Sequence[str],
    *,
    seed: int,
    options: Options,
    progress: Progress,
) -> HalfModelRows:
    """Fit a model on the seen half and draw from it."""
    model = family.fit(halves.seen, schema, order, seed=seed, options=options, progress=progress)
    return draw_rows(model, halves, seed=seed)


def draw_rows(model: FittedModel, halves: Halves, *, seed: int) -> HalfModelRows:
    """Draw from a model that was fit on the seen half."""
    rows = model.sample(
        min(SYNTHETIC_ROWS, 4 * halves.seen.num_rows), np.random.default_rng([seed, 18])
    )
    return HalfModelRows(
        halves, rows.select([name for name in halves.seen.column_names if name in model.columns])
    )

"""What attackers gain from rows in a range, which are drawn from one column's own distribution.

The range is on the column of most different numbers, and wide, so that most people are inside.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from simulacra_intake.errors import InputError
from simulacra_intake.rows_of_persons import persons_in
from simulacra_schema.conditions import ConditionSet, NumericRange
from simulacra_schema.table import TableSchema
from simulacra_trainer.graph import CausalGraph
from simulacra_trainer.pipeline.conditioned_pool import draw_pool
from simulacra_trainer.pipeline.holdout import HalfModelRows
from simulacra_trainer.report.attackers.membership import (
    Advantage,
    PersonRows,
    loose_numbers,
    membership,
)
from simulacra_trainer.report.comparison.columns import numbers
from simulacra_trainer.trained_model import TrainedModel

INNER = (0.1, 0.9)
"""Shares of the rows below the ends of the range."""
MIN_INSIDE = 20
"""Rows inside the range, on each side, from which on it is tested."""


def membership_under_range(
    drawn: Sequence[HalfModelRows], schema: TableSchema, graph: CausalGraph, family: str, seed: int
) -> tuple[str | None, list[dict[str, Advantage]]]:
    """Return the column of the range, and what attackers gain on the people in it by half-model.

    drawn: the half-models, with their halves; schema: of what they have learned.
    """
    lead = _lead(drawn[0].halves.seen, schema)
    found: list[dict[str, Advantage]] = []
    for place, half in enumerate(drawn):
        if lead is None or half.model is None or half.learned is None:
            continue
        seen, unseen = half.halves.seen, half.halves.unseen
        ends = np.nanquantile(numbers(seen, lead), INNER, method="inverted_cdf")
        asked = NumericRange(min=float(ends[0]), max=float(ends[1]))
        inside = [_inside(rows, lead, *ends) for rows in (seen, unseen)]
        if min(rows.num_rows for rows in inside) < MIN_INSIDE:
            continue
        trained = TrainedModel(half.model, family, half.learned, schema, graph)
        conditions = ConditionSet(numeric={lead: asked})
        rng = np.random.default_rng([seed, 26, place])
        try:
            pool = draw_pool(trained, conditions, half.synthetic.num_rows, rng)
        except InputError:  # rows of differential privacy may have nothing there
            continue
        rows = pool.model.sample(pool.table.num_rows, rng, given=pool.table)
        members, controls = (PersonRows(rows, persons_in(rows, schema)) for rows in inside)
        found.append(membership(members, controls, rows, schema.learned()))
    return lead, found


def _lead(table: pa.Table, schema: TableSchema) -> str | None:
    """Return the column of most different numbers that a range may name; None without."""
    follow = {bound.by_difference for bound in schema.differences()}
    kinds = ("integer", "numeric")
    names = [c.name for c in schema.learned() if c.kind in kinds and c.name not in follow]
    loose = [name for name in names if loose_numbers([table], name)]
    return max(loose, key=lambda name: np.unique(numbers(table, name)).size, default=None)


def _inside(table: pa.Table, name: str, low: float, high: float) -> pa.Table:
    values = numbers(table, name)
    return table.filter(pa.array((values >= low) & (values <= high)))

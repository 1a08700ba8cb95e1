"""Pools of model rows inside numeric ranges, without rejection where ranges are narrow.

The narrowest range is met by construction: its column comes first in the order and is drawn from
the learned marginal inside the range. Other ranges filter the rows. If too few remain (of a fixed
value of a continuous column, none), nearby rows are moved into the range, which conditions on a
small window around it. What share of the rows meets the ranges is read from draws, never from the
table: a share of the table, times its rows, would count persons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_crds.reasons import Reason
from simulacra_intake.arrow_values import NUMBERS, as_floats, from_floats, with_values
from simulacra_intake.errors import InputError
from simulacra_intake.rows_of_persons import persons_in
from simulacra_intake.survey_weights import row_weights
from simulacra_schema.conditions import ConditionSet, NumericRange
from simulacra_schema.faults import pointer
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.conditions import AttainmentDetail
from simulacra_trainer.evidence import two_digits
from simulacra_trainer.families.base import FittedModel
from simulacra_trainer.families.codec import ColumnCodec, fit_codec
from simulacra_trainer.families.curve import Curve
from simulacra_trainer.relations.compute import consistent
from simulacra_trainer.rules.check import any_broken, applicable, rules_of
from simulacra_trainer.rules.plan import holding, together
from simulacra_trainer.trained_model import TrainedModel

Floats = npt.NDArray[np.float64]
MIN_ROWS_KEPT = 2_000
MAX_DRAWS = 6
ORDER_ROWS = 20_000
"""Rows drawn to find the narrowest of several ranges."""
SOMEBODY = 0.5
"""Effective rows below which nobody is said to stand behind conditions."""
WINDOW_SHARE = 0.025
"""Width of the window around a range, as a share of the learned distribution."""
CLEAR_BELOW = 0.5 - 1e-6
"""Steps beyond its ends at which a number still rounds into a range."""
MAX_POOL_CELLS = 40_000_000


@dataclass(frozen=True)
class ConditionedPool:
    """Rows inside the ranges, of at least the conditioned columns, in clean types.

    Attributes:
        model: draws the other columns.
        share: of the learned distribution that the pool is a sample of; 1 without ranges.
        lead: the column of that range.
        weights: rows of the learned distribution that each row stands for, float64 [rows]; None:
            one each.
    """

    table: pa.Table
    model: FittedModel
    share: float = 1.0
    lead: str | None = None
    weights: Floats | None = None

    def corrected(self, attainment: AttainmentDetail) -> AttainmentDetail:
        """Return the figures with the share of the pool included; backing to two digits."""
        accepted = attainment.accepted * self.share
        kl = attainment.kl_nats - float(np.log(self.share))
        found: dict[str, Any] = {"accepted": accepted, "kl_nats": kl}
        if attainment.backing is not None:
            found["backing"] = self._backing(attainment.backing)
        if attainment.quotas is not None:
            found["quotas"] = [
                one.model_copy(update={"backing": self._backing(one.backing)})
                for one in attainment.quotas
            ]
        return attainment.model_copy(update=found)

    def _backing(self, rows: float | None) -> float | None:
        """Return rows of the table that are behind a part of the pool, to two digits."""
        if rows is None:
            return None
        backing = two_digits(rows * self.share)
        return backing if backing >= SOMEBODY else 0.0


def draw_pool(
    trained: TrainedModel,
    conditions: ConditionSet,
    rows: int,
    rng: np.random.Generator,
    *,
    then: Sequence[str] = (),
    also: Mapping[str, NumericRange] | None = None,
    beside: Sequence[str] = (),
) -> ConditionedPool:
    """Draw a pool of about `rows` rows of the conditioned columns, and those that share rules.

    rows: how many to draw before the ranges filter them; then: columns that the model draws right
    after the conditioned ones, in this order; also: further ranges that all rows meet; beside:
    further columns that the pool has.

    Raises:
        InputError: a range holds no value of its column, or no row meets all ranges and rules.
    """
    inside = _ranges(trained, conditions, also or {})
    columns = _narrowest_first(trained, inside, rng)
    front = together(trained.schema, [*columns, *conditions.columns(), *beside])
    held = conditions.columns()
    model = trained.model.first([*front, *(c for c in then if c not in front)])
    if not columns:
        drawn = model.sample(rows, rng, only=len(front))
        return ConditionedPool(holding(drawn, trained.schema, held), model)
    lead = inside.pop(columns[0])

    def draw() -> pa.Table:
        given = pa.table({columns[0]: from_floats(lead.draw(rows, rng), NUMBERS[lead.column.kind])})
        drawn = model.sample(rows, rng, given=given, only=len(front))
        return holding(drawn, trained.schema, held)

    everywhere = lead.holds(as_floats(model.sample(rows, rng, only=1).column(columns[0])))
    pool, share = _keep_inside(draw, inside, rng, trained.schema)
    of_lead = max(float(everywhere.mean()), 0.5 / rows)
    return ConditionedPool(pool, model, of_lead * share, columns[0])


def draw_full_pool(
    trained: TrainedModel,
    conditions: ConditionSet,
    do: Mapping[str, float | str],
    rows: int,
    rng: np.random.Generator,
    *,
    also: Mapping[str, NumericRange] | None = None,
) -> ConditionedPool:
    """Draw a pool of whole rows under do(), inside the ranges. InputError if no row meets them.

    also: further ranges that all rows meet.
    """
    inside = _ranges(trained, conditions, also or {})
    rows = min(rows, max(MAX_POOL_CELLS // len(trained.model.columns), MIN_ROWS_KEPT))

    held = [*conditions.columns(), *do]

    def draw() -> pa.Table:
        return holding(trained.model.sample(rows, rng, do=do), trained.schema, held)

    pool, share = _keep_inside(draw, inside, rng, trained.schema)
    return ConditionedPool(pool, trained.model, share)


def _ranges(
    trained: TrainedModel, conditions: ConditionSet, also: Mapping[str, NumericRange]
) -> dict[str, ValuesInside]:
    ranges = {name: values_inside(trained, name, one) for name, one in conditions.numeric.items()}
    for name, bounds in also.items():
        one = values_inside(trained, name, bounds)
        known = ranges.get(name, one)
        low, high = max(one.low, known.low), min(one.high, known.high)
        if low > high:
            raise InputError(
                Reason.CONDITIONS_INFEASIBLE,
                "Two numeric ranges of one column have no number in common.",
                f'Two ranges of "{name}" have no number in common. Widen one.',
                pointer("conditions", "numeric", name),
            )
        ranges[name] = replace(one, low=low, high=high)
    return ranges


def _narrowest_first(
    trained: TrainedModel, ranges: Mapping[str, ValuesInside], rng: np.random.Generator
) -> list[str]:
    """Return the columns with ranges by the share of drawn rows inside, smallest first."""
    if len(ranges) < 2:
        return [*ranges]
    last = max(trained.model.columns.index(name) for name in ranges)
    drawn = trained.model.sample(ORDER_ROWS, rng, only=last + 1)
    met = {name: int(r.holds(as_floats(drawn.column(name))).sum()) for name, r in ranges.items()}
    return sorted(ranges, key=lambda name: met[name])


def _keep_inside(
    draw: Callable[[], pa.Table],
    ranges: Mapping[str, ValuesInside],
    rng: np.random.Generator,
    schema: TableSchema,
) -> tuple[pa.Table, float]:
    """Draw until enough rows lie in the ranges; after MAX_DRAWS, move nearby rows in.

    Returns the rows and the share of the draws inside, above 0.
    """
    kept: list[pa.Table] = []
    near: list[pa.Table] = []
    drawn = 0
    for _ in range(MAX_DRAWS):
        table = draw()
        drawn += table.num_rows
        mask = _inside(table, ranges)
        close = np.ones(table.num_rows, np.bool_)
        for name, inside in ranges.items():
            close &= inside.is_near(as_floats(table.column(name)))
        kept.append(table.filter(pa.array(mask)))
        near.append(table.filter(pa.array(close & ~mask)))
        found = sum(part.num_rows for part in kept)
        if found >= MIN_ROWS_KEPT:
            return pa.concat_tables(kept), found / drawn
    moved = (_ruled(consistent(_move_in(part, ranges, rng), schema), schema) for part in near)
    pool = pa.concat_tables([*kept, *(part.filter(_inside(part, ranges)) for part in moved)])
    if not pool.num_rows:
        raise InputError(
            Reason.CONDITIONS_INFEASIBLE,
            "No row of the learned distribution meets all numeric ranges.",
            "No row meets all numeric ranges. Widen one of " + ", ".join(f'"{n}"' for n in ranges),
            pointer("conditions", "numeric", next(iter(ranges))),
        )
    return pool, max(found, 0.5) / drawn


def _ruled(rows: pa.Table, schema: TableSchema) -> pa.Table:
    """Return the rows that still hold the rules after they were moved."""
    rules = applicable(rules_of(schema), rows.column_names)
    return rows.filter(pa.array(~any_broken(rows, rules))) if rules else rows


def _inside(table: pa.Table, ranges: Mapping[str, ValuesInside]) -> npt.NDArray[np.bool_]:
    """Return which rows meet all ranges."""
    mask = np.ones(table.num_rows, np.bool_)
    for name, inside in ranges.items():
        mask &= inside.holds(as_floats(table.column(name)))
    return mask


def _move_in(
    table: pa.Table, ranges: Mapping[str, ValuesInside], rng: np.random.Generator
) -> pa.Table:
    for name, inside in ranges.items():
        values = as_floats(table.column(name))
        values = np.where(inside.holds(values), values, inside.draw(table.num_rows, rng))
        table = with_values(table, name, from_floats(values, table.schema.field(name).type))
    return table


@dataclass(frozen=True)
class ValuesInside:
    """The learned marginal of a column inside a closed range.

    Attributes:
        codec: holds its curve, and rounds its values.
        low, high: the range, on the grid of the column's decimals.
    """

    column: ColumnSchema
    codec: ColumnCodec
    low: float
    high: float

    def holds(self, values: Floats) -> npt.NDArray[np.bool_]:
        """Return whether each value lies inside, bool [n]; missing ones do not."""
        return (values >= self.low) & (values <= self.high)

    def is_near(self, values: Floats) -> npt.NDArray[np.bool_]:
        """Return whether each value lies inside or in the window around the range, bool [n]."""
        low, high = _curve_of(self.codec).around(self.low, self.high, WINDOW_SHARE)
        return (values >= low) & (values <= high)

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Draw from the heaps and the curve inside; uniform where they have nothing."""
        low, high, step = self.low, self.high, self.codec.step
        if step:  # to the last numbers of the grid inside, and what rounds to them
            low = np.ceil(low / step) * step - CLEAR_BELOW * step
            high = np.floor(high / step) * step + CLEAR_BELOW * step
        drawn = _curve_of(self.codec).draw_inside(low, high, rng.random(n))
        if drawn is None:
            drawn = rng.uniform(self.low, self.high, n)
        return self.codec.tidy(drawn, self.low, self.high)


def values_inside(trained: TrainedModel, name: str, bounds: NumericRange) -> ValuesInside:
    """Return a column's learned marginal in a range that holds values of it."""
    column = trained.schema.column(name)
    codec = trained.model.codec(name)
    if codec is None:  # computed, or learned by a difference
        table, schema = trained.table, trained.schema
        weights, persons = row_weights(table, schema), persons_in(table, schema)
        codec = fit_codec(table.column(name), column, persons, weights)
    low, high = bounds.ends()
    low = codec.low if low == -np.inf else low
    high = codec.high if high == np.inf else high
    if column.kind == "integer":
        low = float(np.ceil(low))
        high = float(np.floor(high))
    return ValuesInside(column, codec, low, high)


def _curve_of(codec: ColumnCodec) -> Curve:
    assert codec.curve is not None  # ranges are of numbers
    return codec.curve

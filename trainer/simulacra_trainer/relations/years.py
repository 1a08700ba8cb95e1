"""An age in whole years beside a birth and an interview: dates, years, or one survey year.

The last birthday lies within 12 months before the interview, or within more where one of the two is
a year, or the interviews took months. A row whose age does not fit is drawn again; where nothing
fits, birth or age moves by whole years.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import product

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats, from_floats, with_values
from simulacra_schema.table import RelationSchema, TableSchema
from simulacra_trainer.relations.decided import GLANCE_ROWS
from simulacra_trainer.relations.numbers import MIN_PERSONS, Floats, spread_rows

YEAR, MONTH = 372, 31
"""Days of a year of twelve months of 31 days: the same date a year later is 372 on."""
AGES, YEARS = (0, 130), (1850, 2150)
LEAST_SPREAD = 10
"""Years that ages and births spread over (5 to 95 %); of fewer, many pairs fit by chance."""
MOST_SLACK = {1: 35, 2: 23}
"""Months within which the last birthday may lie, by the number of columns that give an age."""
MAX_COLUMNS = 20


def year_relations(
    table: pa.Table, schema: TableSchema, computed: Collection[str], persons: int
) -> Iterator[RelationSchema]:
    """Yield how each birth gives each age: with the least slack, then by the fewest columns.

    computed: columns that other relations give; they are left out.
    """
    names = [c.name for c in schema.learned() if c.kind in ("integer", "datetime")]
    days = {name: _days(table.column(name)) for name in names if name not in computed}
    dates = [name for name in days if _between(days[name], *YEARS)][:MAX_COLUMNS]
    ages = [n for n in days if not _is_date(table, n) and _between(days[n], *AGES, LEAST_SPREAD)]
    births = [name for name in dates if _between(days[name], *YEARS, LEAST_SPREAD)]
    glance = table.take(pa.array(spread_rows(table.num_rows, GLANCE_ROWS)))
    for age, born in product(ages[:MAX_COLUMNS], births if persons >= MIN_PERSONS else ()):
        ways = [[born], *([born, name] for name in dates if name != born)]
        ways = [of for of in ways if _fitted(glance, age, of)]
        found = [one for of in ways if (one := _fitted(table, age, of))]
        if found:
            yield min(found, key=lambda one: (one.slack, len(one.of)))


def years_off(rows: pa.Table, relation: RelationSchema) -> Floats:
    """Return the years that each age lacks, below 0 for too many, float64 [n]; 0 for a gap."""
    months = _months(rows, relation.column, relation.of) + np.round(12 * relation.constant)
    off = months - np.clip(months, 0, relation.slack)
    return np.nan_to_num(np.sign(off) * np.ceil(np.abs(off) / 12))


def with_years(
    rows: pa.Table, relation: RelationSchema, held: Collection[str], order: Sequence[str]
) -> pa.Table:
    """Return rows whose birth or age fits, the later one that is not held, or the interview."""
    off = years_off(rows, relation)
    pair = sorted([relation.column, relation.of[0]], key=order.index)
    free = [name for name in (*relation.of[1:], *pair) if name not in held]
    if not off.any() or not free:
        return rows
    name = free[-1]
    column, years = rows.column(name), off if name in pair else -off
    if not _is_date(rows, name):
        return with_values(rows, name, from_floats(as_floats(column) + years, column.type))
    moments = column.to_numpy()
    months = moments.astype("M8[M]")
    moved = (months + (12 * years).astype("m8[M]")).astype("M8[D]")
    last = ((moved.astype("M8[M]") + 1).astype("M8[D]") - moved).astype(np.int64) - 1
    day = np.minimum((moments.astype("M8[D]") - months).astype(np.int64), last)
    clock = moments - moments.astype("M8[D]")
    found = pa.array((moved + day.astype("m8[D]")).astype("M8[us]") + clock, column.type)
    return with_values(rows, name, found)


def _fitted(table: pa.Table, age: str, of: list[str]) -> RelationSchema | None:
    """Return how columns give an age, None if they do not."""
    months = _months(table, age, of)
    months = months[~np.isnan(months)]
    if months.size < MIN_PERSONS or months.max() - months.min() > MOST_SLACK[len(of)]:
        return None
    least = 11 if any(_is_date(table, name) for name in of) else 0
    slack = max(int(months.max() - months.min()), least)
    constant = float(-months.min() / 12)
    return RelationSchema(kind="years", column=age, of=of, constant=constant, slack=slack)


def _months(rows: pa.Table, age: str, of: Sequence[str]) -> Floats:
    """Return months from the last birthday to the interview, or to the year 0, float64 [n]."""
    born, *met = (_days(rows.column(name)) for name in of)
    if met and not all(_is_date(rows, name) for name in of):
        born, met = YEAR * (born // YEAR), [YEAR * (met[0] // YEAR)]
    since = met[0] - born if met else -born
    return np.asarray((since - YEAR * as_floats(rows.column(age))) // MONTH)


def _days(column: pa.ChunkedArray) -> Floats:
    """Return dates, or the first days of years, as numbers of days; NaN is missing."""
    if not pa.types.is_timestamp(column.type):
        return YEAR * as_floats(column)
    moments = column.to_numpy()
    months = moments.astype("M8[M]")
    days = (moments.astype("M8[D]") - months).astype(np.int64)
    found = (months.astype(np.int64) + 12 * 1970) * MONTH + days
    return np.where(np.isnat(moments), np.nan, found)


def _is_date(rows: pa.Table, name: str) -> bool:
    return pa.types.is_timestamp(rows.schema.field(name).type)


def _between(days: Floats, low: int, high: int, spread: int = 0) -> bool:
    known = days[~np.isnan(days)]
    if not known.size or known.min() < YEAR * low or known.max() >= YEAR * (high + 1):
        return False
    return bool(np.ptp(np.quantile(known, (0.05, 0.95))) >= YEAR * spread)

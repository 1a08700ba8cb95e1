"""A group of rows named by at most two columns, as near as possible to rows found otherwise.

So people can filter the same rows, and judge whom an answer leaves out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats, codes_of
from simulacra_schema.answers import Limit
from simulacra_trainer.effects.models.contrast import Flags
from simulacra_trainer.effects.models.features import Floats, levels_of

MIN_F1 = 0.7
"""F1 of the named rows for the others, below which the name would mislead."""
MIN_GAIN = 0.02
"""F1 that a second limit must add."""
CUTS = 33
"""Quantiles at which a number is cut, both ways."""
BEST = 25
"""Best limits alone, each of which is combined with all others."""
MAX_SEARCHED = 5_000
MAX_CELLS = 20_000_000
"""Rows that the search sees, and rows times limits: those of many columns would fill the memory."""


@dataclass(frozen=True)
class Group:
    """Rows that keep all of one or two limits.

    Attributes:
        rows: bool [n].
        limits: of different columns.
    """

    rows: Flags
    limits: list[Limit]


def named_group(
    table: pa.Table, columns: list[str], found: Flags, weights: Floats, seed: int
) -> Group | None:
    """Return the group with the best F1 for found rows, bool [n]; None if it is below MIN_F1.

    columns: that may name them; found: at least one row; weights: float64 [n]; seed: of the rows
    that the search sees.
    """
    rng, n = np.random.default_rng(seed), table.num_rows
    seen = rng.choice(n, min(n, MAX_SEARCHED), replace=False)
    some = table.take(pa.array(seen))
    limits = [limit for name in columns for limit in _limits(some, name)]
    if not limits:
        return None
    seen = seen[: max(MAX_CELLS // len(limits), 1)]
    best = _best(table.take(pa.array(seen)), limits, found[seen], weights[seen])
    rows = np.all([keeps(table, limit) for limit in best], axis=0)
    reached = _f1(weights @ (rows & found), weights @ rows, weights @ found)
    return Group(rows, best) if float(reached) >= MIN_F1 else None


def _best(table: pa.Table, limits: list[Limit], found: Flags, weights: Floats) -> list[Limit]:
    """Return the limit, or the two of different columns, with the best F1 for found rows."""
    rows = np.array([keeps(table, limit) for limit in limits], np.float32)
    mass, wanted = weights.astype(np.float32), (weights * found).astype(np.float32)
    alone = _f1(rows @ wanted, rows @ mass, wanted.sum())
    first = np.argsort(-alone, kind="stable")[:BEST]
    both = _f1((rows[first] * wanted) @ rows.T, (rows[first] * mass) @ rows.T, wanted.sum())
    names = np.array([limit.column for limit in limits])
    both[names[first][:, None] == names[None, :]] = 0.0
    i, j = np.unravel_index(int(np.argmax(both)), both.shape)
    if both[i, j] > alone[first[0]] + MIN_GAIN:
        return [limits[first[i]], limits[j]]
    return [limits[first[0]]]


def keeps(table: pa.Table, limit: Limit) -> Flags:
    """Return which rows keep a limit, bool [n]; a missing value keeps none."""
    if isinstance(limit.value, str):
        positions, levels = codes_of(table.column(limit.column)), levels_of(table, limit.column)
        at = levels.index(limit.value) if limit.value in levels else -2
        is_level: Flags = positions == at
        return is_level if limit.test == "=" else (positions >= 0) & ~is_level
    values = as_floats(table.column(limit.column))
    return values <= limit.value if limit.test == "<=" else values > limit.value


def outside_in_words(limits: list[Limit], table: pa.Table) -> str:
    """Return who does not keep all limits, in words."""
    return " or ".join(_opposite(limit, table) for limit in limits)


def _f1(hits: Any, sizes: Any, wanted: Any) -> Any:
    """Return the harmonic mean of precision and recall."""
    return 2.0 * hits / np.maximum(sizes + wanted, 1e-300)


def _limits(table: pa.Table, name: str) -> Iterator[Limit]:
    """Yield limits of a column that some rows keep, and some do not."""
    column = table.column(name)
    if pa.types.is_timestamp(column.type):
        return
    if pa.types.is_dictionary(column.type):
        counts = np.bincount(codes_of(column) + 1)[1:]
        levels = [v for v, count in zip(levels_of(table, name), counts, strict=False) if count]
        known = [Limit(column=name, test=test, value=v) for v in levels for test in ("=", "!=")]
    else:
        cuts = _cuts(as_floats(column))
        known = [Limit(column=name, test=test, value=cut) for cut in cuts for test in ("<=", ">")]
    for limit in known:
        if 0 < np.count_nonzero(keeps(table, limit)) < table.num_rows:
            yield limit


def _cuts(values: Floats) -> list[float]:
    """Return quantiles, rounded so that none is a single person's number."""
    known = values[~np.isnan(values)]
    if not known.size or known.min() == known.max():
        return []
    low, high = np.quantile(known, (0.1, 0.9))
    spread = high - low if high > low else known.max() - known.min()
    power = np.floor(np.log10(spread / 10.0))
    if np.all(known == np.round(known)):
        power = max(power, 0.0)
    step = 10.0**power
    cuts = np.unique(np.round(np.quantile(known, np.linspace(0.02, 0.98, CUTS)) / step) * step)
    return [float(f"{cut:.12g}") for cut in cuts]


def _opposite(limit: Limit, table: pa.Table) -> str:
    """Return who does not keep a limit."""
    value = f"{limit.value:.6g}" if isinstance(limit.value, float) else f"'{limit.value}'"
    words = {">": "up to", "<=": "over", "=": "other than", "!=": ""}[limit.test]
    unknown = " or unknown" if table.column(limit.column).null_count else ""
    return " ".join(part for part in (limit.column, words, value) if part) + unknown

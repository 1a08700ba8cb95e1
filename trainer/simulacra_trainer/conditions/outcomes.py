"""What became of quotas, and why one is not met."""

from collections.abc import Iterator, Sequence

import numpy as np

from simulacra_trainer.conditions import rounding
from simulacra_trainer.conditions.attainment import QuotaOutcome
from simulacra_trainer.conditions.cells import Cells, IntArray, ShareCondition
from simulacra_trainer.conditions.conflicts import conflict
from simulacra_trainer.conditions.quota_cells import QuotaCondition

NOBODY = "The model draws no row in this cell that meets the other conditions."
WHOLE_ROWS = "Whole rows cannot meet it with the others: ask for more rows, or give min and max."


def quota_outcomes(
    quotas: Sequence[QuotaCondition],
    shares: Sequence[ShareCondition],
    cells: Cells,
    table: IntArray,
    n: int,
) -> list[QuotaOutcome]:
    """Return the outcome of each quota in a table of n rows, int64 [cells]."""
    counts = cells.margins(table).astype(np.int64)[-2 * len(quotas) :: 2]
    bounds = np.array([one.bounds for one in quotas])
    low, high = rounding.bounds_range(bounds[:, 0], bounds[:, 1], n)
    met = rounding.within(counts, low, high)
    why = dict(_reasons(quotas, shares, cells, np.flatnonzero(~met)))
    return [
        QuotaOutcome(
            **dict(one.quota),
            attained=float(counts[at]) / n,
            rows=int(counts[at]),
            met=bool(met[at]),
            why=why.get(at),
        )
        for at, one in enumerate(quotas)
    ]


def _reasons(
    quotas: Sequence[QuotaCondition],
    shares: Sequence[ShareCondition],
    cells: Cells,
    missed: IntArray,
) -> Iterator[tuple[int, str]]:
    """Yield why quotas are missed, by their place: nobody there, a conflict, or the rounding."""
    if not missed.size:
        return
    held = cells.margins(cells.weight)[-2 * len(quotas) :: 2]
    named = [
        (f'"{one.column}" "{level}"', (float(share), float(share)))
        for one in shares
        for level, share in zip(one.levels, one.shares, strict=True)
    ]
    places = [at for at in range(len(quotas)) if held[at] > 0 or quotas[at].bounds[0] == 0]
    words = [name for name, _ in named]
    words += [f"quota {at + 1} ({quotas[at].quota.words()})" for at in places]
    bounds = np.array([ends for _, ends in named] + [quotas[at].bounds for at in places])
    first = int(cells.sizes[: len(shares)].sum())
    of_levels = [
        int(cells.sizes[:at].sum()) + level
        for at, one in enumerate(shares)
        for level in range(len(one.levels))
    ]
    rows = [*of_levels, *(first + 2 * at for at in places)]
    found = conflict(cells.incidence[rows], bounds[:, 0], bounds[:, 1]) if rows else []
    said = f"The data have too few kinds of rows for {' and '.join(words[at] for at in found)}."
    for at in missed.tolist():
        if at not in places:
            yield at, NOBODY
        else:
            yield at, said if found else WHOLE_ROWS

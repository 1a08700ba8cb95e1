"""Generated rows with a pair of answers that no real row has, though chance would give many.

Exactly one of many columns is such a rule: no row has two of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from simulacra_trainer.report.comparison.columns import bin_codes, is_category, numbers
from simulacra_trainer.report.comparison.pair_tables import Coded, of_one_shape, tables_of_pairs

EXPECTED = 20
"""Rows that chance would give a pair of answers whose absence counts as a rule."""
MAX_LEVELS = 12
MAX_COLUMNS = 90
"""About 4,000 pairs, a second."""


def impossible_rows(
    seen: pa.Table, unseen: pa.Table, generated: pa.Table, names: Sequence[str]
) -> tuple[float, float]:
    """Return the shares of generated and of unseen rows that break a rule of the seen rows.

    Args:
        seen: clean rows that the model learned from, whose absent pairs of answers are the rules.
        unseen: real rows that it did not learn from; their share is what chance breaks.
        generated: its rows.
        names: columns to compare; those with few values are.
    """
    tables = [seen, unseen, generated]
    coded = [of for of in (_few(tables, name) for name in names) if of is not None][:MAX_COLUMNS]
    pairs = np.column_stack(np.triu_indices(len(coded), k=1))
    broken = [np.zeros(table.num_rows, np.bool_) for table in tables]
    for alike in of_one_shape(coded, pairs):
        counts = tables_of_pairs(coded, pairs[alike], 0)
        margins = counts.sum(axis=2, keepdims=True) * counts.sum(axis=1, keepdims=True)
        absent = (counts == 0) & (margins >= EXPECTED * max(seen.num_rows, 1))
        for at in np.flatnonzero(absent.any(axis=(1, 2))):
            i, j = pairs[alike][at]
            for of, left, right in zip(broken, coded[i][0], coded[j][0], strict=True):
                of |= absent[at][left, right]
    return float(broken[2].mean()), float(broken[1].mean())


def _few(tables: Sequence[pa.Table], name: str) -> Coded | None:
    """Return the codes of a column with few values; None for others."""
    if not is_category(tables[0], name):
        values = [numbers(table, name) for table in tables]
        known = np.unique(values[0][~np.isnan(values[0])])
        if known.size > MAX_LEVELS:
            return None
        codes = [np.where(np.isnan(of), 0, 1 + np.searchsorted(known, of)) for of in values]
        return codes, known.size + 2
    found, size = bin_codes(tables, name)
    return (found, size) if size <= MAX_LEVELS else None

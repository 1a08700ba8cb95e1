"""Skip patterns: columns that are filled only where a filter question was answered in some way.

Who was not asked has no answer, so a filter and its follow-up questions go together by
construction, and so do the follow-ups of one filter. Such an edge is drawn only if the two columns
also depend on each other among the people who answered both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from scipy.stats import chi2_contingency

from simulacra_crds.contract.schema import TableSchema
from simulacra_trainer.graph.causal_graph import GraphEdge, SkipPattern
from simulacra_trainer.graph.pattern import BoolMatrix
from simulacra_trainer.graph.search import Cards, Codes
from simulacra_trainer.table.arrow_values import as_floats

NOT_ASKED = frozenset(
    (
        "iap",
        "inap",
        "inapplicable",
        "not applicable",
        "n/a",
        "nap",
        "not asked",
        "skipped",
        "valid skip",
        "legitimate skip",
        "not in universe",
        "does not apply",
    )
)
"""Levels, in lower case, that stand for a question that was not asked."""
MIN_ROWS = 20
MIN_SHARE = 0.02
"""Rows, and share of the rows, that are not filled at least."""
SKIPPED = 0.99
"""Share of the rows of a skipping answer that are not filled."""
COVERED = 0.9
"""Share of the rows that are not filled that the skipping answers explain."""
DEPENDENT = 0.001
"""p-value below which two columns depend on each other among those who answered both."""


def unfilled(table: pa.Table, schema: TableSchema) -> BoolMatrix:
    """Return the cells without an answer, bool [learned columns, rows]."""
    return np.array([_unfilled(table.column(column.name)) for column in schema.learned()])


def skip_patterns(codes: Codes, cards: Cards, empty: BoolMatrix) -> BoolMatrix:
    """Return which column decides that another is not filled, bool [p, p]; [a, b]: a decides b.

    Args:
        codes: uint8 [p, rows].
        cards: int64 [p], levels of each column.
        empty: bool [p, rows], from `unfilled`.
    """
    p, rows = codes.shape
    found = np.zeros((p, p), np.bool_)
    counts = empty.sum(axis=1)
    least = max(MIN_ROWS, MIN_SHARE * rows)
    asked = np.flatnonzero((counts >= least) & (rows - counts >= least))
    cells = empty[asked].T.astype(np.float32)
    for a in range(p if asked.size else 0):
        level = (codes[a][:, None] == np.arange(cards[a])).astype(np.float32)
        of_level = level.sum(axis=0)
        hits = level.T @ cells
        skips = (hits >= SKIPPED * of_level[:, None]) & (of_level[:, None] >= MIN_ROWS)
        explained = np.where(skips, hits, 0.0).sum(axis=0)
        found[a, asked] = explained >= COVERED * counts[asked]
    np.fill_diagonal(found, False)
    return found


def by_construction(a: int, b: int, decides: BoolMatrix, codes: Codes, empty: BoolMatrix) -> bool:
    """Return whether an edge between a and b says only who was asked."""
    of_one_filter = bool((decides[:, a] & decides[:, b]).any())
    if not (decides[a, b] or decides[b, a] or of_one_filter):
        return False
    both = ~(empty[a] | empty[b])
    counts = np.zeros((int(codes[a].max()) + 1, int(codes[b].max()) + 1))
    np.add.at(counts, (codes[a][both], codes[b][both]), 1)
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    if min(counts.shape) < 2:
        return True
    return float(chi2_contingency(counts).pvalue) >= DEPENDENT


def without_skips(
    edges: Sequence[GraphEdge],
    names: Sequence[str],
    decides: BoolMatrix,
    codes: Codes,
    empty: BoolMatrix,
) -> tuple[list[GraphEdge], list[SkipPattern]]:
    """Return the edges that say more than who was asked, and what the others were drawn for."""
    position = {name: i for i, name in enumerate(names)}
    kept: list[GraphEdge] = []
    skips: list[SkipPattern] = []
    for edge in edges:
        a, b = position[edge["source"]], position[edge["target"]]
        if by_construction(a, b, decides, codes, empty):
            skips += _described(a, b, names, decides)
        else:
            kept.append(edge)
    return kept, [skip for at, skip in enumerate(skips) if skip not in skips[:at]]


def _described(a: int, b: int, names: Sequence[str], decides: BoolMatrix) -> Iterator[SkipPattern]:
    direct = [(x, y) for x, y in ((a, b), (b, a)) if decides[x, y]]
    filters = np.flatnonzero(decides[:, a] & decides[:, b])[:1].tolist()
    of_filter = [(asks, end) for asks in filters for end in (a, b)]
    # Two follow-ups of one filter decide each other.
    pairs = of_filter if of_filter and len(direct) != 1 else direct[:1]
    for asks, column in pairs:
        yield SkipPattern(filter=names[asks], column=names[column])


def _unfilled(values: pa.ChunkedArray) -> BoolMatrix:
    if not pa.types.is_dictionary(values.type):
        return np.isnan(as_floats(values))
    whole = values.combine_chunks()
    words = [str(level).strip().lower() for level in whole.dictionary.to_pylist()]
    is_empty = np.array([*(word in NOT_ASKED for word in words), True])
    index = whole.indices.cast(pa.int64()).fill_null(len(words))
    return is_empty[index.to_numpy(zero_copy_only=False)]

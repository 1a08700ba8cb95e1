"""Edges that say only who was asked or answered: skip patterns, split ballots, common refusals.

Missing is a level of its own in the search, so a filter question and its follow-ups go together by
construction, and so do the follow-ups of one filter and the questions of one ballot. An edge at a
column with gaps is drawn only if the two columns also depend on each other among the people who
answered both.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from scipy.special import chdtrc  # scipy.stats takes half a second to import

from simulacra_intake.arrow_values import as_floats, codes_of
from simulacra_intake.columns.specials import are_special
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.graph.causal_graph import GraphEdge, SkippedEdge
from simulacra_trainer.graph.constraints import BoolMatrix
from simulacra_trainer.graph.kernels import Codes, Floats

ABBREVIATION = 3
"""Letters up to which a word such as NC may be a state as well as "no comment"."""
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
"""Levels, in lower case, of questions that were not asked. `special` levels of the schema add to
them, and words for no answer among levels without an order."""
MIN_ROWS = 20
MIN_SHARE = 0.02
"""Rows, and share of the rows, without an answer from which a column has gaps."""
DEPENDENT = 0.001
"""p-value below which two columns depend on each other among those who answered both."""


def unanswered(table: pa.Table, schema: TableSchema) -> BoolMatrix:
    """Return the cells without an answer, bool [learned columns, rows]."""
    return np.array([_unanswered(table.column(one.name), one) for one in schema.learned()])


def without_skips(
    edges: Sequence[GraphEdge],
    names: Sequence[str],
    codes: Codes,
    empty: BoolMatrix,
    required: BoolMatrix,
) -> tuple[list[GraphEdge], list[SkippedEdge]]:
    """Return the edges that say more than who was asked or answered, and the others.

    names: of the p columns; codes: uint8 [p, rows]; empty: bool [p, rows], from `unanswered`;
    required: bool [p, p]; these edges stay, because somebody stated them.
    """
    position = {name: i for i, name in enumerate(names)}
    least = max(MIN_ROWS, MIN_SHARE * codes.shape[1])
    has_gaps = empty.sum(axis=1) >= least
    kept: list[GraphEdge] = []
    skipped: list[SkippedEdge] = []
    for edge in edges:
        a, b = position[edge["source"]], position[edge["target"]]
        is_open = (has_gaps[a] or has_gaps[b]) and not required[a, b]
        if is_open and not _is_dependent(codes[[a, b]], ~(empty[a] | empty[b])):
            skipped.append(SkippedEdge(source=edge["source"], target=edge["target"]))
        else:
            kept.append(edge)
    return kept, skipped


def touching(skipped: Sequence[SkippedEdge], names: Sequence[str]) -> BoolMatrix:
    """Return the pairs with a column of a skipped edge, bool [p, p]."""
    ends = {name for edge in skipped for name in (edge.source, edge.target)}
    part = np.array([name in ends for name in names], np.bool_)
    return part[:, None] | part[None, :]


def _is_dependent(codes: Codes, rows: BoolMatrix) -> bool:
    """Return whether two columns, uint8 [2, n], depend on each other in some rows, bool [n]."""
    counts = np.zeros(codes.max(axis=1).astype(np.int64) + 1)
    np.add.at(counts, (codes[0, rows], codes[1, rows]), 1)
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    if counts.size == 0 or min(counts.shape) < 2:
        return False
    return chance(counts) < DEPENDENT


def chance(counts: Floats) -> float:
    """Return the p-value of Pearson's chi-square test, with Yates' correction if 2 x 2.

    counts: rows by levels of both columns, each level with at least one row.
    """
    total = counts.sum()
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total
    apart = np.abs(counts - expected)
    freedom = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    if freedom == 1:
        apart = np.maximum(apart - 0.5, 0.0)
    return float(chdtrc(freedom, np.sum(apart**2 / expected)))


def _unanswered(values: pa.ChunkedArray, column: ColumnSchema) -> BoolMatrix:
    if not pa.types.is_dictionary(values.type):
        return np.isnan(as_floats(values))
    whole = values.combine_chunks()
    special = {level.value for level in column.levels if level.special}
    words = [str(level) for level in whole.dictionary.to_pylist()]
    means_none = are_special(pa.array(words, pa.string())).to_pylist()
    is_answer = [
        word not in special
        and word.strip().lower() not in NOT_ASKED
        and not (means_none[i] and len(word) > ABBREVIATION)
        for i, word in enumerate(words)
    ]
    is_empty = np.array([*(not found for found in is_answer), True])
    return is_empty[codes_of(whole)]

"""Counts of segments in which no count of fewer than five persons is left, also by subtraction.

Cells of a table of segments and answers are asked for in any order, and with the totals over each
column. A count of few could be read alone (asked as a share of another column's segment), or as a
total less the others. So a count below five stands for what the totals expect of it. Where those
left out of a total are fewer than five together, the counts that are shown are scaled so that with
these expected ones they make up the total: subtraction gives what was expected, whatever was there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from simulacra_intake.rows_of_persons import Ints
from simulacra_intake.survey_weights import Floats
from simulacra_schema.table import TableSchema
from simulacra_trainer.segments.cells import Bools, Segmentation, segmentation
from simulacra_trainer.segments.certify import FEW

ROUNDS = 30
"""Of scaling to all totals in turn (Deming & Stephan, 1940)."""
Total = tuple[int, Floats]
"""An axis of counts, and their totals over it."""


def shown_counts(
    table: pa.Table, schema: TableSchema, cells: Segmentation, answer: Ints, levels: int
) -> tuple[Floats, Floats]:
    """Return the respondents by cell and answer, float64 [cells, levels], and by cell, [cells].

    Args:
        table: clean training table.
        schema: its schema.
        cells: of its rows.
        answer: of each row, 0 <= answer < levels; -1 where there is none.
        levels: number of answers.
    """
    single = [segmentation(table, schema, [name]) for name in cells.columns]
    everyone = replace(
        single[0], cell=np.zeros_like(answer), groups=[np.zeros(1, np.intp)], levels=[[""]]
    )
    by_answer, people = _noisy(everyone, answer, levels)
    share = by_answer[0] / max(by_answer[0].sum(), 1e-9)
    margins = []
    for of in single:
        # The levels of a column have five persons, but not all of them need have answered.
        found, answered = _noisy(of, answer, levels)
        asked = _shown(answered, np.full(of.size, FEW / 2.0), of, [(0, people[0])])
        margins.append(
            (_shown(found, asked[:, None] * share, of, [(0, by_answer[0]), (1, asked)]), asked)
        )
    if len(single) == 1:
        return margins[0][0], np.rint(margins[0][1])
    sizes = [of.size for of in single]
    found, asked = _noisy(cells, answer, levels)
    (a, of_a), (b, of_b) = margins
    expected = np.outer(of_a, of_b) / max(people[0], 1e-9)
    shown = _shown(asked.reshape(sizes), expected, cells, [(1, of_a), (0, of_b)])
    shares = [of / np.maximum(total, 1e-9)[:, None] for of, total in margins]
    expected = shown[:, :, None] * shares[0][:, None] * shares[1][None] / np.maximum(share, 1e-9)
    totals = [(1, a), (0, b), (2, shown)]
    answers = _shown(found.reshape(*sizes, levels), expected, cells, totals)
    return answers.reshape(cells.size, levels), np.rint(shown.ravel())


def _noisy(cells: Segmentation, answer: Ints, levels: int) -> tuple[Floats, Floats]:
    """Return noisy counts by cell and answer, [cells, levels], and by cell, [cells]."""
    known: Bools = answer >= 0
    found = [cells.noisy_counts(answer == level, known) for level in range(levels)]
    return np.stack([said for said, _ in found], axis=1), found[0][1]


def _shown(
    counts: Floats, expected: Floats, cells: Segmentation, totals: Sequence[Total]
) -> Floats:
    """Return counts, or what is expected of those of few, that agree with totals short of few.

    Under survey weights, and with several rows a person, counts are effective numbers (Kish), which
    do not add up over cells; over the answers of one cell they do, on the last of three axes.
    """
    few = counts < FEW
    held = np.minimum(expected, FEW - 1.0)
    found = np.where(few, held, counts)
    bound = []
    for axis, whole in totals:
        if cells.adds_up or axis == counts.ndim - 1:
            shown = np.where(few, 0.0, counts).sum(axis)
            bound.append((axis, whole, (whole - shown < FEW) & (shown > 0)))
    for _ in range(ROUNDS):
        for axis, whole, is_bound in bound:
            shown, rest = (np.where(of, found, 0.0).sum(axis) for of in (~few, few))
            scale = np.maximum(whole - rest, 0.0) / np.maximum(shown, 1e-9)
            scale = np.expand_dims(np.where(is_bound, scale, 1.0), axis)
            found = np.where(few, found, found * scale)
    return found

"""Counts of segments in which no count of fewer than five persons is left, also by subtraction.

Cells of a table of segments and answers are asked for in any order, and with the totals over each
column. A count of few could be read alone (asked as a share of another column's segment), or as a
total less the others. So a count below five stands for what the totals expect of it. Where those
left out of a total are fewer than five together, the counts that are shown are scaled so that with
these expected ones they make up the total: subtraction gives what was expected, whatever was there.
"""

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

    answer: of each row, 0 <= answer < levels; -1 where there is none.
    """
    answers, asked = _agreeing(table, schema, cells, answer, levels)
    return answers, np.rint(asked)


def _agreeing(
    table: pa.Table, schema: TableSchema, cells: Segmentation, answer: Ints, levels: int
) -> tuple[Floats, Floats]:
    """Return `shown_counts`, of which those by cell are not rounded."""
    everyone = replace(
        cells, cell=np.zeros_like(answer), groups=[np.zeros(1, np.intp)], levels=[[""]]
    )
    whole, people = _noisy(everyone, answer, levels)
    share = whole[0] / max(whole[0].sum(), 1e-9)
    found, answered = _noisy(cells, answer, levels)
    if len(cells.columns) == 1:
        # The levels of a column have five persons, but not all of them need have answered.
        asked = _shown(answered, np.full(cells.size, FEW / 2.0), cells, [(0, people[0])])
        expected = asked[:, None] * share
        return _shown(found, expected, cells, [(0, whole[0]), (1, asked)]), asked

    def of(*columns: str) -> tuple[Floats, Floats]:
        return _agreeing(table, schema, segmentation(table, schema, columns), answer, levels)

    names, sizes = cells.columns, [len(known) for known in cells.levels]
    if len(names) > 2 and list(names) != sorted(names):
        # Scaling stops before the end, so that its order is felt: it is that of the names.
        ordered = segmentation(table, schema, sorted(names))
        by, asked = _agreeing(table, schema, ordered, answer, levels)
        groups = [ordered.groups[ordered.columns.index(name)] for name in names]
        back = np.argsort(np.ravel_multi_index(groups, sizes))
        return by[back], asked[back]
    every = range(len(names))
    singles = [of(name) for name in names]
    without = singles[::-1]
    if len(names) > 2:
        without = [of(*(name for name in names if name != left_out)) for left_out in names]
    expected = np.ones(sizes)
    for axis, (_, total) in enumerate(singles):
        expected = expected * _along(total, axis, every)
    expected = expected / max(people[0], 1e-9) ** (len(names) - 1)
    totals = []
    for axis in reversed(every):
        left = [size for at, size in enumerate(sizes) if at != axis]
        by, asked = without[axis]
        totals.append((axis, by.reshape(*left, levels), asked.reshape(left)))
    by_cell = [(axis, asked) for axis, _, asked in totals]
    shown = _shown(answered.reshape(sizes), expected, cells, by_cell)
    expected = shown[..., None]
    for axis, (by, total) in enumerate(singles):
        expected = expected * _along(by / np.maximum(total, 1e-9)[:, None], axis, every)
    expected = expected / np.maximum(share, 1e-9) ** (len(names) - 1)
    by_answer = [(axis, by) for axis, by, _ in totals]
    answers = _shown(
        found.reshape(*sizes, levels), expected, cells, [*by_answer, (len(names), shown)]
    )
    return answers.reshape(cells.size, levels), shown.ravel()


def _along(values: Floats, axis: int, axes: range) -> Floats:
    """Return values, float64 [size] or [size, levels], as one axis of several."""
    others = tuple(at for at in axes if at != axis)
    return np.expand_dims(values, others)


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
    do not add up over cells; over the answers of one cell they do, on the last axis.
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

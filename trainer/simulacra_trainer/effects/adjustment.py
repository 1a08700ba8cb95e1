"""Adjustment sets that the statements leave open.

Every column stated to come before the treatment is in all sets (the disjunctive cause criterion;
VanderWeele, 2019), none stated to come after it is in any. The open columns span sets: none, all,
the learned direct causes (IDA; Maathuis et al., 2009), each alone, and all but each. Least-squares
effects under each choose the few that AIPW estimates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_schema.table import TableSchema
from simulacra_trainer.effects.column_timing import ColumnTiming
from simulacra_trainer.effects.models.contrast import Contrast
from simulacra_trainer.effects.models.features import LEVEL_KINDS, Floats, build_features
from simulacra_trainer.graph import CausalGraph

MAX_SETS = 8
MAX_OPEN = 20
"""Open columns that enter adjustment sets: those that move the effect most."""
RIDGE = 1e-6


@dataclass(frozen=True)
class AdjustmentSet:
    """Columns to adjust for.

    Attributes:
        columns: stated ones first.
        reverses: the outcome may be a cause of the treatment; then the effect is 0.
        learned: exactly the learned causes of a graph of the class, beside what is stated.
    """

    columns: list[str]
    reverses: bool = False
    learned: bool = False


def open_sets(
    timing: ColumnTiming, graph: CausalGraph, treatment: str, outcome: str, linear: LinearEffects
) -> list[AdjustmentSet]:
    """Return at most MAX_SETS sets, the main one first, then at most one that reverses.

    The main set holds the causes of the treatment in the best graph. Beyond MAX_SETS those remain
    whose least-squares effects are the lowest and the highest. Nobody stated the order: then the
    effect may be 0, unless half-samples agree that the treatment leads to the outcome. Columns of
    the treatment's own block, in a usual order, are all in a set or none of them is.
    """
    if timing.presumes:
        all_before = [AdjustmentSet(timing.before + timing.unknown)] if timing.unknown else []
        return [*all_before, AdjustmentSet(timing.before)]
    causes = graph.possible_parents(treatment, MAX_SETS + 1)
    learned = [frozenset(parents) & {*linear.open} for parents in causes]
    everything = frozenset(linear.open)
    first = list(dict.fromkeys([learned[0], frozenset(), everything]))
    alone = [frozenset([name]) for name in linear.open]
    but_one = [everything - {name} for name in linear.open]
    rest = [s for s in dict.fromkeys([*learned, *alone, *but_one]) if s not in first]
    rest.sort(key=linear.effect)
    chosen = [*first, *_extremes(rest, MAX_SETS - len(first))]
    sets = [
        AdjustmentSet([*timing.before, *(n for n in linear.open if n in s)], learned=s in learned)
        for s in chosen
    ]
    if timing.order == "unstated" and not graph.leads(treatment, outcome):
        reversing = [parents for parents in causes if outcome in parents]
        sets.append(AdjustmentSet((reversing or causes)[0], reverses=True))
    return sets


def _extremes(ordered: list[frozenset[str]], count: int) -> list[frozenset[str]]:
    """Return the first and last entries, alternately."""
    chosen: list[frozenset[str]] = []
    left = list(ordered)
    while left and len(chosen) < count:
        chosen.append(left.pop(0 if len(chosen) % 2 == 0 else -1))
    return chosen


class LinearEffects:
    """Least-squares effects of the treatment's arms on the outcome, under many adjustment sets.

    By the theorem of Frisch, Waugh and Lovell, one Gram matrix of treatment, outcome and the open
    columns, all residualized on the stated ones, gives the effect under every set of open columns.

    Attributes:
        open: at most MAX_OPEN of the open columns, those that move the effect most first.
    """

    def __init__(
        self,
        table: pa.Table,
        schema: TableSchema,
        contrast: Contrast,
        before: list[str],
        unknown: list[str],
    ) -> None:
        """Compute the Gram matrix.

        table: the contrast's rows, of which those outside both arms are left out; before: stated
        columns, in every set; unknown: columns that may be in a set.
        """
        rows = np.flatnonzero(contrast.value.rows | contrast.baseline.rows)
        table = table.take(rows)
        stated = [_block(table, schema, name) for name in before]
        basis, _ = np.linalg.qr(np.column_stack([np.ones(rows.size), *stated]))
        ends = np.column_stack([contrast.value.rows[rows], contrast.outcome[rows]])
        self._ends = _residual(basis, ends.astype(np.float64))
        blocks = {name: _residual(basis, _block(table, schema, name)) for name in unknown}
        start = _slope(self._gram([self._ends]), np.arange(0))
        moves = {name: abs(self._alone(block) - start) for name, block in blocks.items()}
        self.open = sorted(moves, key=lambda name: -moves[name])[:MAX_OPEN]
        parts = [blocks[name] for name in self.open]
        sizes = np.array([part.shape[1] for part in parts], np.int64)
        self._owner = np.repeat(np.arange(sizes.size), sizes)
        self._all = self._gram([self._ends, *parts])

    def effect(self, columns: Iterable[str]) -> float:
        """Return the effect given all stated columns and these open ones."""
        chosen = [self.open.index(name) for name in columns]
        return _slope(self._all, np.flatnonzero(np.isin(self._owner, chosen)))

    def _alone(self, block: Floats) -> float:
        return _slope(self._gram([self._ends, block]), np.arange(block.shape[1]))

    def _gram(self, parts: list[Floats]) -> Floats:
        columns = np.column_stack(parts)
        return columns.T @ columns


def _block(table: pa.Table, schema: TableSchema, name: str) -> Floats:
    """Return a column as level indicators, or as a number with a missing indicator."""
    linear = build_features(table, schema, [name]).linear
    if schema.column(name).kind in LEVEL_KINDS or linear.shape[1] < 2:
        return linear
    return linear[:, [0, -1]]


def _residual(basis: Floats, columns: Floats) -> Floats:
    return columns - basis @ (basis.T @ columns)


def _slope(gram: Floats, others: npt.NDArray[np.int64]) -> float:
    """Return the coefficient of column 0 in the regression of column 1 on 0 and 2 + others."""
    at = np.concatenate([[0], 2 + others])
    square = gram[np.ix_(at, at)] + RIDGE * max(float(np.trace(gram)), 1.0) * np.eye(at.size)
    return float(np.linalg.solve(square, gram[at, 1])[0])

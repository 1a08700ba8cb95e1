"""Least-squares effects under many adjustment sets, to choose the few that AIPW estimates.

By the theorem of Frisch, Waugh and Lovell, one Gram matrix of treatment, outcome and the open
columns, all residualized on the stated ones, gives the effect under every set of open columns.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_schema.table import TableSchema
from simulacra_trainer.effects.models.contrast import Contrast
from simulacra_trainer.effects.models.features import (
    LEVEL_KINDS,
    Floats,
    build_features,
    schema_kind,
)

MAX_OPEN = 20
"""Open columns that enter adjustment sets: those that move the effect most."""
RIDGE = 1e-6


class LinearEffects:
    """Least-squares effects of the treatment's arms on the outcome.

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

        Args:
            table: the contrast's rows; those outside both arms are left out.
            schema: of the table.
            contrast: arms and outcome.
            before: stated columns, in every set.
            unknown: columns that may be in a set.
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
        gram: Floats = columns.T @ columns
        return gram


def _block(table: pa.Table, schema: TableSchema, name: str) -> Floats:
    """Return a column as level indicators, or as a number with a missing indicator."""
    linear = build_features(table, schema, [name]).linear
    if schema_kind(schema, name) in LEVEL_KINDS or linear.shape[1] < 2:
        return linear
    return linear[:, [0, -1]]


def _residual(basis: Floats, columns: Floats) -> Floats:
    left: Floats = columns - basis @ (basis.T @ columns)
    return left


def _slope(gram: Floats, others: npt.NDArray[np.int64]) -> float:
    """Return the coefficient of column 0 in the regression of column 1 on 0 and 2 + others."""
    at = np.concatenate([[0], 2 + others])
    square = gram[np.ix_(at, at)] + RIDGE * max(float(np.trace(gram)), 1.0) * np.eye(at.size)
    return float(np.linalg.solve(square, gram[at, 1])[0])

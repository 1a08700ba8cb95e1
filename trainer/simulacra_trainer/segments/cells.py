"""Cells of a segmentation, and the respondents of each who gave an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import places_of, words_of
from simulacra_intake.rows_of_persons import Ints, persons_in
from simulacra_intake.survey_weights import Floats, row_weights
from simulacra_schema.table import TableSchema
from simulacra_trainer.cell_keys import Keys, mixed, noise_of, noisy, person_keys, summed

if TYPE_CHECKING:  # reading a table needs no engine
    from simulacra_trainer.segments.pooling import Indices

Bools = npt.NDArray[np.bool_]
STEP = 0.05
"""Of the share that a design leaves: finer ones would tell who of a cell is of one cluster."""


@dataclass(frozen=True)
class Segmentation:
    """All combinations of levels of one or two columns, and of the wave beside them.

    Attributes:
        cell: the cell of each row, int64 [n]; -1 where a column is missing.
        groups: of each column, the position of its level in each cell, int [cells].
        weights: of each row, float64 [n].
        persons: of each row, int64 [n].
        keys: secret number of each row's person, uint64 [n].
        wave: which of the columns is the wave; None if none is, or no other is beside it.
        pooled: positions of the cells that are pooled; None for all.
    """

    columns: Sequence[str]
    levels: Sequence[Sequence[str]]
    cell: Ints
    groups: Sequence[Indices]
    weights: Floats
    persons: Ints
    keys: Keys
    wave: int | None = None
    pooled: Indices | None = None

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.groups[0].size

    @property
    def adds_up(self) -> bool:
        """Whether respondents of cells add up: each row is one person, and all weigh the same."""
        return bool(np.ptp(self.weights) == 0) and np.unique(self.persons).size == self.persons.size

    def at(self, levels: Sequence[str]) -> int:
        """Return the cell of one level of each column."""
        where = [known.index(level) for known, level in zip(self.levels, levels, strict=True)]
        sizes = [len(known) for known in self.levels]
        return int(np.ravel_multi_index(where, sizes))

    def counts(self, hit: Bools, known: Bools) -> tuple[Floats, Floats]:
        """Return the effective respondents who gave an answer and who gave any, float64 [cells].

        The weighted share times Kish's number (1965) of the weights of the cell's persons, whose
        rows count as if they were all alike.

        hit, known: rows with the answer, and with any, bool [n].
        """
        inside = known & (self.cell >= 0)
        cell = self.cell[inside]
        weights = self.weights[inside]
        total = np.bincount(cell, weights, self.size)
        squares = self._squares(inside, self.persons)
        respondents = np.divide(total**2, squares, out=np.zeros(self.size), where=squares > 0)
        hits = np.bincount(cell, weights * hit[inside], self.size)
        share = np.divide(hits, total, out=np.zeros(self.size), where=total > 0)
        return share * respondents, respondents

    def apart(self, known: Bools, clusters: Ints, likeness: float) -> Floats:
        """Return the share of each cell's respondents that tell as if drawn apart, float64 [cells].

        Between persons (likeness 0) and clusters (1), in steps of .05 that hide single persons.

        known: rows with any answer, bool [n]; clusters: of each row, int64 [n]; likeness:
        intraclass correlation of the answer within clusters, 0..1.
        """
        inside = known & (self.cell >= 0)
        alone, together = (self._squares(inside, of) for of in (self.persons, clusters))
        whole = alone + likeness * np.maximum(together - alone, 0.0)
        share = np.divide(alone, whole, out=np.ones(self.size), where=whole > 0)
        return in_steps(share)

    def _squares(self, inside: Bools, units: Ints) -> Floats:
        """Return the sum over units of the square of their weight in each cell."""
        span = int(units.max(initial=0)) + 1
        pairs, row = np.unique(self.cell[inside] * span + units[inside], return_inverse=True)
        sums = np.bincount(row.reshape(-1), self.weights[inside], pairs.size)
        return np.bincount(pairs // span, sums**2, self.size).astype(np.float64)

    def noisy_counts(self, hit: Bools, known: Bools) -> tuple[Floats, Floats]:
        """Return `counts` in whole persons with the noise of the cells' keys, float64 [cells].

        Nobody, in a cell or among its answers, has a noise too, that of the sets which have nobody
        in common: else a 0 would be sure, and the others with it.
        """
        successes, respondents = self.counts(hit, known)
        said, unsaid = known & hit, known & ~hit
        asked = self._keys(known, self.cell, self.size)
        levels = [
            self._keys(known, np.where(self.cell < 0, -1, of[self.cell]), int(of.max()) + 1)[of]
            for of in self.groups
        ]
        of_cell = np.where(respondents > 0, asked, mixed(*levels))
        total = noisy(np.rint(respondents), of_cell, self.cell.size)
        key = self._keys(said, self.cell, self.size)
        for none, others in ((successes <= 0, said), (successes >= respondents, unsaid)):
            apart = self._keys(others, np.minimum(self.cell, 0), 1)
            key = np.where(none, mixed(of_cell, np.full(self.size, apart[0])), key)
        return np.clip(np.rint(successes) + noise_of(key), 0.0, total), total

    def _keys(self, chosen: Bools, cell: Ints, size: int) -> Keys:
        """Return the sum of the keys of the persons of each cell who have a chosen row."""
        rows = chosen & (cell >= 0)
        return summed(self.keys[rows], cell[rows], size)


def segmentation(table: pa.Table, schema: TableSchema, columns: Sequence[str]) -> Segmentation:
    """Return the segmentation of a clean table by columns with levels; without, all in one cell."""
    levels = [schema.column(name).level_values() for name in columns]
    codes = [level_codes(table, *both) for both in zip(columns, levels, strict=True)]
    sizes = [len(known) for known in levels]
    every = np.arange(int(np.prod(sizes)))
    groups = [np.asarray(g) for g in np.unravel_index(every, sizes or [1])]
    cell = np.zeros(table.num_rows, dtype=np.int64)
    for code, size in zip(codes, sizes, strict=True):
        cell = np.where((cell < 0) | (code < 0), -1, cell * size + code)
    weights, persons = row_weights(table, schema), persons_in(table, schema)
    return Segmentation(
        columns=columns,
        levels=levels,
        cell=cell,
        groups=groups,
        weights=np.ones(table.num_rows) if weights is None else weights,
        persons=np.arange(table.num_rows) if persons is None else persons,
        keys=person_keys(table, schema),
    )


def in_steps(share: Floats) -> Floats:
    """Return shares, float64 [k], in steps of STEP, at least one."""
    return np.maximum(np.floor(share / STEP) * STEP, STEP)


def level_codes(table: pa.Table, name: str, levels: Sequence[str]) -> Ints:
    """Return the position of each row's level, int64 [n]; -1 where it is missing."""
    position = {level: at for at, level in enumerate(levels)}
    return places_of(words_of(table.column(name)), position, unknown=-1, missing=-1)

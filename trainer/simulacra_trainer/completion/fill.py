"""One filling of all gaps: a sequential start, then sweeps over the columns with gaps.

Each column is learned on the rows where it is filled, never on filled gaps: with those among them
"missing" would become a class, and the priors would lose their shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from simulacra_trainer.completion.cells import Cells, Indices
from simulacra_trainer.completion.gaps import rare_values
from simulacra_trainer.completion.rules import Rules
from simulacra_trainer.families.codec import CODES, Codes, ColumnCodec, Floats
from simulacra_trainer.families.curve import nearest
from simulacra_trainer.families.forest.growth.column_stages import FEW_VALUES
from simulacra_trainer.families.forest.growth.grow import ColumnGrower
from simulacra_trainer.families.forest.growth.likelihood import MIN_ROWS
from simulacra_trainer.families.forest.growth.training_rows import TrainingRows
from simulacra_trainer.families.forest.regression.additive import functions_of
from simulacra_trainer.families.forest.samplers import Context, Method, Pool, Sampler

TRIES = 20
"""Draws of a cell that breaks a relation, before it is left empty."""
FEWEST_ROWS = 20
"""Answers of a half to learn from; with fewer, all donors who answered."""
SCORES_FROM = 100
"""Answers from which numbers follow normal scores: bins shrink correlations there
(benchmarks/results/completion.md)."""


@dataclass
class Drawer:
    """Draws a column in some rows.

    Attributes:
        columns: places that it reads; its own positions are those in this list.
        near: of each code of these the nearest that was learned from, uint8 [columns, codes]: half
            of the donors leave out codes of a number, and a regression has no slope there.
    """

    sampler: Sampler
    columns: list[int]
    near: Codes

    def context(self, values: Sequence[Floats], codes: Codes, rows: Indices) -> Context:
        """Return what the sampler reads of some rows."""
        coded = np.stack(
            [of[codes[k, rows]] for of, k in zip(self.near, self.columns, strict=True)]
        )
        return Context(coded, [values[k][rows] for k in self.columns])

    def draw(
        self, values: Sequence[Floats], codes: Codes, rows: Indices, rng: np.random.Generator
    ) -> Floats:
        """Return a value for each row, float64 [rows].

        Numbers spread evenly over the rows would leave out most of the chance in a mean of the
        draws, which the variance between fillings must have.
        """
        context = self.context(values, codes, rows)
        return self.sampler.draw(
            context, np.arange(rows.size, dtype=np.int32), rng.random(rows.size)
        )


@dataclass
class Filler:
    """Fills the gaps of some cells again and again; methods and priors are those of the first.

    Attributes:
        cells: donors and given rows.
        rules: relations between the columns.
        scale, penalty: strength of the models.
    """

    cells: Cells
    rules: Rules
    scale: float
    penalty: float
    methods: dict[int, Method] = field(default_factory=dict)
    priors: dict[tuple[int, ...], dict] = field(default_factory=dict)  # type: ignore[type-arg]

    def start(self, learned: Indices, rng: np.random.Generator) -> Filling:
        """Return a filling column by column, each from those with fewer gaps.

        It is exact where the sets of gaps are nested.

        learned: rows of the half of the donors.
        """
        values = [of.copy() for of in self.cells.values]
        filling = Filling(self, values, self.cells.coded(), learned, rng)
        order = list(self.rules.rank)
        known = [j for j in range(len(values)) if j not in self.rules.rank]
        for j in order:
            filling.fill(j, known)
            known.append(j)
        return filling

    def resume(
        self, packed: Sequence[Floats], learned: Indices, rng: np.random.Generator
    ) -> Filling:
        """Return a filling with the filled cells of another, from `Filling.packed`."""
        filling = Filling(
            self, [of.copy() for of in self.cells.values], self.cells.coded(), learned, rng
        )
        for j, cells in zip(self.rules.rank, packed, strict=True):
            filling.set(j, np.flatnonzero(self.cells.gaps[j]), cells)
        return filling

    def grow(
        self,
        j: int,
        predictors: Sequence[int],
        values: Sequence[Floats],
        codes: Codes,
        rows: Indices,
    ) -> Drawer:
        """Return the column's sampler, learned on some rows from the best predictors."""
        chosen = sorted(self.cells.screen.candidates(j, list(predictors)))
        columns = sorted([j, *chosen])
        at = columns.index(j)
        own = values[j][rows]
        if not chosen or np.ptp(own) == 0:
            every = np.tile(np.arange(CODES, dtype=np.uint8), (len(columns), 1))
            return Drawer(Pool(np.sort(own), np.sort(own)), columns, every)
        coded = np.ascontiguousarray(codes[columns][:, rows])
        codecs = [self.cells.codecs[k] for k in columns]
        data = TrainingRows(
            coded,
            [values[k][rows] for k in columns],
            codecs,
            [functions_of(of, codec) for of, codec in zip(coded, codecs, strict=True)],
            self.penalty,
            None if self.cells.weights is None else self.cells.weights[rows],
            scale=self.scale,
            priors=self.priors.setdefault((j, *columns), {}),
        )
        others = [i for i in range(len(columns)) if i != at]
        if j not in self.methods and self._takes_scores(j, own):
            self.methods[j] = "scores"
        grower = ColumnGrower(data, at, others, before=others, method=self.methods.get(j))
        sampler = grower.grow(None)
        if j not in self.methods:
            self.methods[j] = sampler.method
        near = [_nearest(of, codec) for of, codec in zip(coded, codecs, strict=True)]
        return Drawer(sampler, columns, np.stack(near))

    def _takes_scores(self, j: int, own: Floats) -> bool:
        is_number = not self.cells.codecs[j].is_category and self.cells.weights is None
        enough = own.size >= max(SCORES_FROM, MIN_ROWS)
        return is_number and enough and np.unique(own).size > FEW_VALUES


@dataclass
class Filling:
    """One filling of the gaps, and the half of the donors that it learns from."""

    filler: Filler
    values: list[Floats]
    codes: Codes
    learned: Indices
    rng: np.random.Generator
    drawers: dict[int, Drawer] = field(default_factory=dict)

    def sweep(self) -> None:
        """Draw each column with gaps again, from all others."""
        for j in self.filler.rules.rank:
            hidden = self.filler.rules.hidden_from(j)
            others = [k for k in range(len(self.values)) if k != j and k not in hidden]
            self.fill(j, others)

    def packed(self) -> list[Floats]:
        """Return the filled cells alone, by column with gaps."""
        gaps = self.filler.cells.gaps
        return [self.values[j][gaps[j]] for j in self.filler.rules.rank]

    def fill(self, j: int, predictors: Sequence[int]) -> None:
        """Learn a column from others and draw it in its gaps."""
        rules = self.filler.rules
        if j not in rules.computed:
            hidden = rules.hidden_from(j)
            chosen = [k for k in predictors if k not in hidden]
            rows = self._learned_rows(j)
            self.drawers[j] = self.filler.grow(j, chosen, self.values, self.codes, rows)
        self.draw(j, np.flatnonzero(self.filler.cells.gaps[j]))

    def draw(self, j: int, rows: Indices) -> None:
        """Draw a column in some of its gaps, as it was learned last; relations and skips hold."""
        rules, skip = self.filler.rules, self.filler.cells.skips.get(j)
        if skip is not None:
            skipped = skip.rows(self.values[skip.filter][rows])
            self.set(j, rows[skipped], np.full(int(skipped.sum()), np.nan))
            rows = rows[~skipped]
        if j in rules.computed:
            self.set(j, rows, rules.compute(j, self.values, rows))
        else:
            self._draw(j, rows)
            self._settle(j, rows)
            self._follow(j, rows, set())

    def _follow(self, j: int, rows: Indices, seen: set[int]) -> None:
        """Set the gaps that a column decides, such as the village of a hamlet."""
        for decided, at, values in self.filler.rules.following(j, self.values, rows):
            if decided not in seen:
                self.set(decided, at, values)
                self._follow(decided, at, seen | {j, decided})

    def _learned_rows(self, j: int) -> Indices:
        """Return the rows of the half whose answer is given and shared by enough persons."""
        cells = self.filler.cells
        donors = cells.values[j][: cells.donors]
        usable = ~np.isnan(donors)
        if cells.codecs[j].is_category:
            usable &= ~np.isin(donors, rare_values(donors))
        rows = self.learned[usable[self.learned]]
        few = rows.size < FEWEST_ROWS or np.ptp(donors[rows]) == 0
        return np.flatnonzero(usable) if few else rows

    def _draw(self, j: int, rows: Indices) -> None:
        """Draw a column in some rows, or set it to what a given total leaves."""
        if not rows.size:
            return
        codec = self.filler.cells.codecs[j]
        drawn = codec.tidy(self.drawers[j].draw(self.values, self.codes, rows, self.rng))
        rest = self.filler.rules.rest(j, self.values, rows)
        self.set(j, rows, np.where(np.isnan(rest), drawn, rest))
        for values in self.filler.rules.decided(j, self.values, rows):
            self.set(j, rows, values)

    def _settle(self, j: int, rows: Indices) -> None:
        """Draw again what breaks a relation; leave empty what no draw fits."""
        rules = self.filler.rules
        beside = [k for k in rules.drawn_beside(j) if k in self.drawers]
        for _ in range(TRIES):
            rows = rows[self._is_wrong(j, rows)]
            if not rows.size:
                return
            for k in beside:
                self._draw(k, rows[self.filler.cells.gaps[k, rows]])
            self._draw(j, rows)
        rows = rows[self._is_wrong(j, rows)]
        rows = self._last_resort(j, rows)
        for k in [j, *beside]:
            at = rows[self.filler.cells.gaps[k, rows]]
            self.set(k, at, np.full(at.size, np.nan))

    def _last_resort(self, j: int, rows: Indices) -> Indices:
        """Set rows that no draw fits to the bound, or to the commonest level that fits.

        Returns the rows that nothing fits.
        """
        codec, rules = self.filler.cells.codecs[j], self.filler.rules
        if not codec.is_category and rows.size:
            bound = codec.tidy(rules.on_bound(j, self.values, rows))
            self.set(j, rows, np.where(np.isnan(bound), self.values[j][rows], bound))
            return rows[self._is_wrong(j, rows)]
        levels, counts = np.unique(self.values[j][self._learned_rows(j)], return_counts=True)
        for level in levels[np.argsort(-counts, kind="stable")]:
            if rows.size:
                self.set(j, rows, np.full(rows.size, level))
                rows = rows[self._is_wrong(j, rows)]
        return rows

    def _is_wrong(self, j: int, rows: Indices) -> np.ndarray:
        """Return where a value breaks a relation, or a rest lies beyond the column's ends."""
        codec, rules = self.filler.cells.codecs[j], self.filler.rules
        wrong = rules.broken(j, self.values, rows)
        if not codec.is_category:
            now = self.values[j][rows]
            wrong |= (now < codec.low) | (now > codec.high)
        return np.asarray(wrong)

    def set(self, j: int, rows: Indices, values: Floats) -> None:
        """Set cells of a column."""
        self.values[j][rows] = values
        self.codes[j, rows] = self.filler.cells.codecs[j].encode(values)


def _nearest(coded: Codes, codec: ColumnCodec) -> Codes:
    """Return for each code the nearest of some, uint8 [codes]; names stay, and so does missing."""
    every, known = np.arange(CODES, dtype=np.uint8), np.unique(coded[coded > 0])
    if codec.has_natural_order and known.size:
        every[1:] = known[nearest(known.astype(np.float64), np.arange(1.0, CODES))]
    return every

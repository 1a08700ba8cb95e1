"""Shares of answers by wave, and contrasts of them with errors by the design of the sample.

A contrast is a sum of waves' shares times numbers, such as newest less earlier. Its variance is
that of its sampling points' totals within strata (Taylor's linearization; Wolter, 2007), its
degrees of freedom are Satterthwaite's (1946). Points that several waves visit count once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats
from simulacra_intake.matching.levels import with_earlier
from simulacra_intake.rows_of_persons import MIN_PERSONS, Ints
from simulacra_intake.survey_design import crossed
from simulacra_intake.survey_weights import Floats, row_weights
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.cell_keys import Keys, noise_of, person_keys, summed
from simulacra_trainer.design import answer_codes, design_of, variance_of_totals

FEWEST_ANSWERS = 30
"""Rows of a wave that answer a question, below which it is not tested there."""
Bools = npt.NDArray[np.bool_]


class Estimate(NamedTuple):
    """A contrast, its standard error, degrees of freedom, and its error if nothing moved.

    The last is that of a score test: a share that is small by chance has a small error of its own,
    which alone would call too much of it a change.
    """

    value: float
    error: float
    freedom: float
    null: float


@dataclass(frozen=True)
class Sample:
    """The rows of a clean table and how they were drawn.

    Attributes:
        table, schema: clean rows and their schema.
        wave: of each row, int64 [n], 0 the earliest.
        levels: of the waves, the earliest first.
        clusters: of each row, int64 [n] from 0 on; each row its own without stated clusters.
        strata: of each cluster, int64 [clusters].
        visits: of each cluster, the set of waves it is in, int64 [clusters], a bit a wave.
        weights: of each row, float64 [n].
        keys: secret number of each row's person, uint64 [n].
        replicates: replicate weights over the weights, float64 [n, replicates], or None.
        scale: factor of the sum of the squared differences that they make.
    """

    table: pa.Table
    schema: TableSchema
    wave: Ints
    levels: Sequence[str]
    clusters: Ints
    strata: Ints
    visits: Ints
    weights: Floats
    keys: Keys
    replicates: Floats | None = None
    scale: float = 0.0

    def rows(self) -> Ints:
        """Return the rows of each wave, int64 [waves]."""
        return np.bincount(self.wave, minlength=len(self.levels))

    def has_question(self, column: ColumnSchema) -> bool:
        """Return whether a column is an ordinary one whose answers can be counted."""
        is_counted = column.role is None and column.kind != "datetime"
        return is_counted and column.name in self.table.column_names


def sample_of(table: pa.Table, schema: TableSchema) -> Sample | None:
    """Return the sample of a clean table; None without waves of repeated cross-sections."""
    column = schema.wave()
    if column is None or len(column.levels) < 2:
        return None
    return sample_in(table, schema, answer_codes(table, column)[0], column.level_values())


def sample_in(table: pa.Table, schema: TableSchema, wave: Ints, levels: Sequence[str]) -> Sample:
    """Return the sample of a clean table whose rows are of these waves.

    wave: of each row, int64 [n]; levels: their labels, the earliest first.
    """
    design, weights = design_of(table, schema), row_weights(table, schema)
    clusters = np.arange(table.num_rows) if design is None else design.clusters
    strata = np.zeros(table.num_rows, np.int64) if design is None else design.strata
    visits = np.zeros(strata.size, np.int64)
    np.bitwise_or.at(visits, clusters, np.int64(1) << wave)
    weights = np.ones(table.num_rows) if weights is None else weights
    replicates = None if design is None else design.replicates
    if replicates is not None:
        replicates = replicates / np.where(weights > 0, weights, np.inf)[:, None]
    return Sample(
        *(with_earlier_names(table, schema) if len(levels) > 1 else (table, schema)),
        wave,
        levels,
        clusters,
        strata,
        visits,
        weights,
        person_keys(table, schema),
        replicates,
        0.0 if design is None else design.scale,
    )


def with_earlier_names(table: pa.Table, schema: TableSchema) -> tuple[pa.Table, TableSchema]:
    """Return a table and schema in which questions have the answers of their earlier names.

    The columns of those names are left out. What is to confirm stays apart, as does what a summary
    of earlier waves has under such a name.
    """
    earlier = {
        one.name: one.earlier
        for one in schema.columns
        if one.earlier
        and one.earlier.stated
        and one.earlier.question not in ("", one.name)
        and one.name in table.column_names
    }
    if not earlier:
        return table, schema

    def answers(name: str) -> pa.Array:
        own = table.column(name).combine_chunks()
        of = earlier.get(name)
        if of is None or of.question not in table.column_names:
            return own
        return with_earlier(own, answers(of.question), of.levels)

    for name in earlier:
        place = table.column_names.index(name)
        table = table.set_column(place, name, answers(name))
    gone = {of.question for of in earlier.values()}
    columns = [column for column in schema.columns if column.name not in gone]
    return table, schema.model_copy(update={"columns": columns})


class Parts(NamedTuple):
    """A part of a contrast's variance, and the same if nothing moved; its degrees of freedom."""

    variance: float
    null: float
    freedom: float


class Question:
    """The answers to one question, by wave."""

    def __init__(
        self, sample: Sample, column: ColumnSchema, edges: Sequence[float] | None = None
    ) -> None:
        """Count them; edges: upper ends of a number's bands but the last, instead of fifths."""
        self.column = column
        self.sample = sample
        self.edges = edges
        codes, self.count = banded(sample.table, column, edges)
        self.known: Bools = codes >= 0
        self.codes = codes[self.known]
        self.wave = sample.wave[self.known]
        self.weights = sample.weights[self.known]
        waves = len(sample.levels)
        cell = self.wave * self.count + self.codes
        size = waves * self.count
        self.totals = np.bincount(self.wave, self.weights, waves)
        hits = np.bincount(cell, self.weights, size).reshape(waves, self.count)
        self.exact = hits / np.maximum(self.totals, 1e-300)[:, None]
        squares = np.bincount(self.wave, self.weights**2, waves)
        self.worth = self.totals**2 / np.maximum(squares, 1e-300)
        noise = noise_of(summed(sample.keys[self.known], cell, size)).reshape(waves, self.count)
        noisy = self.exact + noise / np.maximum(self.worth, 1.0)[:, None]
        self.shares: Floats = np.clip(noisy, 0.0, 1.0)
        """With the noise of about one person in each cell, float64 [waves, answers]."""
        rows = np.bincount(cell, minlength=size).reshape(waves, self.count) + noise
        answered = np.bincount(self.wave, minlength=waves)[:, None]
        few = (rows < MIN_PERSONS) | (answered - rows < MIN_PERSONS)
        self.shown: Bools = ~few & (answered >= FEWEST_ANSWERS)
        """Cells of five persons with the answer, five without it, and enough answers."""

    def of_rows(self) -> Ints:
        """Return the answer of each row of the table, int64 [n]; -1 where missing."""
        found = np.full(self.known.size, -1, np.int64)
        found[self.known] = self.codes
        return found

    def hit(self, level: int) -> Bools:
        """Return the rows of the table with an answer, bool [n]."""
        return self.of_rows() == level

    def values(self) -> list[str] | None:
        """Return the levels of the column; None of numbers, whose answers are bands."""
        values = self.sample.table.column(self.column.name)
        if not pa.types.is_dictionary(values.type):
            return None
        return values.combine_chunks().dictionary.to_pylist()

    @cached_property
    def is_of_waves(self) -> bool:
        """Whether each answer occurs in one wave alone, as a date of the interview may."""
        pairs = np.unique(self.wave * self.count + self.codes).size
        return len(self.sample.levels) > 1 and pairs == np.unique(self.codes).size

    def contrast(self, level: int, by_wave: Mapping[int, float]) -> Estimate:
        """Return the sum of an answer's shares times these numbers, by wave."""
        waves = [*by_wave]
        share, worth = self.exact[waves, level], self.worth[waves]
        pooled = float(np.average(share, weights=worth)) if len(waves) > 1 else None
        parts = self.parts(level, by_wave, pooled)
        return estimate(by_wave, self.shares[waves, level], worth, [parts])

    def parts(self, level: int, by_wave: Mapping[int, float], pooled: float | None) -> Parts:
        """Return the variance of a contrast.

        pooled: the answer's share if nothing moved; None where a single wave is looked at.
        """
        sample = self.sample
        factors = np.zeros(len(sample.levels))
        factors[list(by_wave)] = list(by_wave.values())
        inside = factors[self.wave] != 0.0
        wave, rows = self.wave[inside], np.flatnonzero(self.known)[inside]
        away = (self.codes[inside] == level) - self.exact[wave, level]
        scores = factors[wave] * self.weights[inside] * away / self.totals[wave]
        variance, freedom = self._variance(rows, scores)
        if pooled is None:
            return Parts(variance, variance, freedom)
        share = self.exact[:, level]
        spread = np.maximum(share * (1.0 - share), 1e-12)
        alike = np.sqrt(pooled * (1.0 - pooled) / spread)[wave]
        return Parts(variance, self._variance(rows, scores * alike)[0], freedom)

    def _variance(self, rows: Ints, scores: Floats) -> tuple[float, float]:
        """Return the variance of the sum of rows' scores, float64 [k], and degrees of freedom.

        rows: of the table, int64 [k].
        """
        sample = self.sample
        if sample.replicates is not None:
            away = scores @ sample.replicates[rows]
            return sample.scale * float(np.sum(away**2)), away.size - 1
        units, at = np.unique(sample.clusters[rows], return_inverse=True)
        totals = np.bincount(at.reshape(-1), scores)
        strata, visits = sample.strata[units], sample.visits[units]
        variance = squares = 0.0
        for own in np.unique(visits):
            group = visits == own
            within = crossed([strata[group]], int(group.sum()))
            part = variance_of_totals(totals[group], within)
            if within.size == 1:  # one point has no error between points: that of its persons
                part = float(np.sum(scores[group[at.reshape(-1)]] ** 2))
            variance += part
            squares += part**2 / max(int(np.sum(np.bincount(within) - 1)), 1)
        return variance, variance**2 / squares if squares > 0 else 1.0


def estimate(
    by_wave: Mapping[int, float], shares: Floats, worth: Floats, parts: Sequence[Parts]
) -> Estimate:
    """Return a contrast of shares, float64 [waves], from the parts of its variance.

    The parts are independent; degrees of freedom are Satterthwaite's. worth: effective rows of each
    wave, float64 [waves], each of which has the noise of about one person.
    """
    factors = np.array([*by_wave.values()])
    noise = float(np.sum(factors**2 / np.maximum(worth, 1.0) ** 2))
    variance, null = (float(sum(of)) for of in list(zip(*parts, strict=True))[:2])
    squares = sum(one.variance**2 / one.freedom for one in parts)
    freedom = variance**2 / squares if len(parts) > 1 and squares > 0 else parts[0].freedom
    errors = np.sqrt([variance + noise, null + noise])
    return Estimate(float(factors @ shares), float(errors[0]), freedom, float(errors[1]))


def banded(
    table: pa.Table, column: ColumnSchema, edges: Sequence[float] | None
) -> tuple[Ints, int]:
    """Return codes and count as `answer_codes`; of a number by these edges, where some are."""
    if edges is None:
        return answer_codes(table, column)
    numbers = as_floats(table.column(column.name).combine_chunks())
    found = np.searchsorted(np.array(edges), numbers, side="left")
    return np.where(np.isnan(numbers), -1, found), len(edges) + 1


def band_names(edges: Sequence[float]) -> list[str]:
    """Return what the bands of a number are called."""
    ends = [f"{end:.12g}" for end in edges]
    between = [f"over {low} to {high}" for low, high in pairwise(ends)]
    return [f"{ends[0]} or less", *between, f"over {ends[-1]}"]

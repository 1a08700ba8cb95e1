"""Design effects: by how much the way in which rows were drawn widens the intervals of answers.

Persons of one sampling point are alike, so they tell less than as many persons drawn one by one.
The variance of each answer's share is that of the sampling points' totals within strata (Taylor's
linearization, with replacement; Wolter, 2007), or follows from replicate weights. Its ratio to that
of independent rows is the answer's design effect (Kish, 1965), which weights are a part of. Where
weights are raked, answers count by their distance to a regression on the margins (Deville &
Saerndal, 1992): what the targets tell is known.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import stdtrit  # scipy.stats takes most of a second to import

from simulacra_intake.arrow_values import as_floats, codes_of
from simulacra_intake.replicate_weights import replicates_in
from simulacra_intake.rows_of_persons import Ints, is_constant_within, persons_in
from simulacra_intake.survey_design import clusters_in, crossed
from simulacra_intake.survey_weights import Floats, effective_rows, row_weights
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.conditions.cells import Cells
from simulacra_trainer.raking import cells_of, margins_of

CAUTION = 0.8
"""Quantile of the answers' design effects that stands for a whole table: people ask first about the
answers that differ most between places, which one mean covers in 91 of 100 samples."""
SEGMENT_CAUTION = 1.25
"""Factor of the likeness within clusters in segments: the plain one covers .93 to .96."""
COMMON = 0.03
"""Answers rarer than this, or as frequent as 1 less this, show no design effect of their own."""
ENOUGH = 10
"""Degrees of freedom from which on the shrunk design effects alone hold."""
CLASSES = 5
"""A number is asked about by fifths of its rows."""
LEAST = 0.05


@dataclass(frozen=True)
class Answer:
    """An answer to a question.

    Attributes:
        column, level: its column, and its position among the answers.
        likeness: intraclass correlation within clusters, 0..1.
        of_places: all rows of a cluster answer alike, as to a region or a kind of school.
    """

    column: str
    level: int
    effect: float
    likeness: float
    of_places: bool


@dataclass(frozen=True)
class Design:
    """How the rows of a clean table were drawn.

    Attributes:
        clusters: of each row, int64 [n] from 0 on; each row its own without stated clusters.
        strata: of each cluster, int64 [clusters] from 0 on.
        weights: of each row, float64 [n].
        has_clusters: whether clusters are stated.
        replicates: replicate weights, float64 [n, replicates], which decide variances; or None.
        scale: factor of the sum of their squared differences.
        cells: combinations of the margins that the weights are raked to; None without targets, and
            with replicates, which are raked too.
    """

    table: pa.Table
    schema: TableSchema
    clusters: Ints
    strata: Ints
    weights: Floats
    has_clusters: bool
    replicates: Floats | None = None
    scale: float = 0.0
    cells: Cells | None = None

    @property
    def degrees_of_freedom(self) -> int:
        """Replicates less 1; else clusters less strata, at least 1.

        A stratum with one cluster counts for neither.
        """
        if self.replicates is not None:
            return self.replicates.shape[1] - 1
        sizes = np.bincount(self.strata)
        return max(int(np.sum(sizes - 1)), 1)

    @cached_property
    def answers(self) -> list[Answer]:
        """The common answers, with design effects and likeness shrunk to their means.

        The log of a variance of few clusters errs by 2 / degrees of freedom, and half of that is
        its bias.
        """
        known = self.schema.targeted()
        asked = (
            column
            for column in self.schema.learned()
            if column.role != "stratum" and column.name not in known
        )
        found = [one for column in asked for one in self._answers_to(column)]
        noise = 2.0 / self.degrees_of_freedom
        logs = np.log(np.maximum([one.effect for one in found], LEAST)) + noise / 2.0
        alike = np.array([one.likeness for one in found])
        spread = float(np.mean(np.maximum(alike, 0.02) + 0.05)) if found else 0.0
        rounded = shrunk(alike, 2.0 / max(self.strata.size - 1, 1) * spread**2)
        return [
            replace(one, effect=float(effect), likeness=max(float(rho), 0.0))
            for one, effect, rho in zip(found, np.exp(shrunk(logs, noise)), rounded, strict=True)
        ]

    @cached_property
    def effect(self) -> float:
        """The design effect of the table, at least 1."""
        effects = [one.effect for one in self.answers]
        found = float(np.quantile(effects, CAUTION)) if effects else 1.0
        return max(found * few_clusters(self.degrees_of_freedom), 1.0)

    def of_questions(self) -> dict[str, float]:
        """Return the design effect of each question: the largest of its answers, at least 1."""
        largest: dict[str, float] = {}
        few = few_clusters(self.degrees_of_freedom)
        for one in self.answers:
            largest[one.column] = max(largest.get(one.column, 1.0), one.effect * few)
        return largest

    def apart_by_replicates(self, column: str) -> float:
        """Return the share of Kish's respondents that tell as if drawn apart, 0..1."""
        weights = self.weights.size / effective_rows(self.weights)
        return min(weights / self.of_questions().get(column, self.effect), 1.0)

    def likeness_in_segments(self, column: str, level: int) -> float:
        """Return how alike answers within a cluster are taken to be in segments, 0..1.

        At least as alike as the persons of a cluster are on average, answers of places left out.
        """
        own = [one.likeness for one in self.answers if (one.column, one.level) == (column, level)]
        table = [one.likeness for one in self.answers if not one.of_places]
        return min(SEGMENT_CAUTION * max([float(np.mean(table or [0.0])), *own]), 1.0)

    def _answers_to(self, column: ColumnSchema) -> Iterator[Answer]:
        """Yield the common answers of a column with their raw figures."""
        codes, levels = answer_codes(self.table, column)
        known = codes >= 0
        weights, of, count = self.weights[known], self.clusters[known], self.strata.size
        total = float(weights.sum())
        if total <= 0:
            return
        cells = np.bincount(of * levels + codes[known], weights, count * levels)
        by_cluster = cells.reshape(count, levels)
        answered = by_cluster.sum(axis=1)
        shares = by_cluster.sum(axis=0) / total
        sizes = np.bincount(of, minlength=count)
        alike = self.has_clusters and sizes.max() > 1 and is_constant_within(codes[known], of)
        varied = None if self.replicates is None else self.replicates[known]
        for level in np.flatnonzero((shares >= COMMON) & (shares <= 1.0 - COMMON)):
            share = float(shares[level])
            if varied is not None:
                away = varied[codes[known] == level].sum(axis=0) / varied.sum(axis=0) - share
                variance = self.scale * float(np.sum(away**2))
            else:
                totals = (by_cluster[:, level] - share * answered) / total
                if self.cells is not None:
                    away = np.zeros(self.weights.size)
                    away[known] = (codes[known] == level) - share
                    totals = np.bincount(self.clusters, self.unexplained(away), count) / total
                variance = variance_of_totals(totals, self.strata)
            effect = variance * int(known.sum()) / (share * (1.0 - share))
            rho = intraclass(of, codes[known] == level)
            yield Answer(column.name, int(level), effect, rho, alike)

    def unexplained(self, values: Floats) -> Floats:
        """Return values less their regression on the margins, each times its weight."""
        assert self.cells is not None
        incidence = self.cells.incidence
        total = np.bincount(self.cells.of_row, self.weights * values, self.cells.weight.size)
        squares, rank = self._squares
        slopes = np.linalg.pinv(squares, hermitian=True) @ (incidence @ total)
        # Few clusters, less those that the regression took, tell of its residuals.
        free = self.degrees_of_freedom
        raised = np.sqrt(free / max(free - rank + 1, free / 2))
        return raised * self.weights * (values - (incidence.T @ slopes)[self.cells.of_row])

    @cached_property
    def _squares(self) -> tuple[Floats, int]:
        """The weighted products of the margins' classes, and their rank."""
        assert self.cells is not None
        weight = np.bincount(self.cells.of_row, self.weights, self.cells.weight.size)
        squares = ((self.cells.incidence * weight) @ self.cells.incidence.T).toarray()
        return squares, int(np.linalg.matrix_rank(squares, hermitian=True))


def design_of(table: pa.Table, schema: TableSchema) -> Design | None:
    """Return the design of a clean table; None without clusters, strata, replicates and targets."""
    found = clusters_in(table, schema)
    stratified = [one for one in schema.strata() if one.name in table.column_names]
    replicates = replicates_in(table, schema)
    targets = schema.targets
    if found is None and not stratified and replicates is None and targets is None:
        return None
    weights = row_weights(table, schema)
    weights = np.ones(table.num_rows) if weights is None else weights
    if found is None:
        clusters = np.arange(table.num_rows)
        strata = crossed([answer_codes(table, one)[0] for one in stratified], table.num_rows)
    else:
        clusters, of_rows = found
        strata = np.zeros(int(clusters.max(initial=-1)) + 1, np.int64)
        strata[clusters] = of_rows
    design = Design(table, schema, clusters, strata, weights, found is not None)
    if replicates is None or schema.replicates is None:
        if targets is None or not schema.targeted() <= {*table.column_names}:
            return design
        return replace(design, cells=cells_of(margins_of(table, schema, targets), table.num_rows))
    scale = schema.replicates.scale(replicates.shape[1])
    return replace(design, replicates=replicates, scale=scale)


def replicate_shifts(table: pa.Table, schema: TableSchema) -> Floats | None:
    """Return by how much each replicate changes the weight of each row, float64 [n, replicates].

    Shares of the weight, times the root of the replicates' scale: what they make of the rows'
    influence on an estimate has squares that add up to its variance (Wolter, 2007). None without.
    """
    replicates, weights = replicates_in(table, schema), row_weights(table, schema)
    if replicates is None or weights is None or schema.replicates is None:
        return None
    found = replicates * (weights.sum() / np.maximum(replicates.sum(axis=0), 1e-300))
    found = found / np.where(weights > 0, weights, np.inf)[:, None] - (weights > 0)[:, None]
    return found * np.sqrt(schema.replicates.scale(replicates.shape[1]))


def units_in(table: pa.Table, schema: TableSchema) -> Ints | None:
    """Return the unit of errors of each row, int64 [n]: its cluster, else its person, or None."""
    found = clusters_in(table, schema)
    return persons_in(table, schema) if found is None else found[0]


def clusters_treated(
    table: pa.Table, schema: TableSchema, treated: npt.NDArray[np.bool_]
) -> tuple[int, int] | None:
    """Return how many clusters were treated, and of how many; None if not given to whole ones.

    treated: rows that have the value, bool [n].
    """
    found = clusters_in(table, schema)
    if found is None:
        return None
    rows = np.bincount(found[0])
    share = np.bincount(found[0], treated) / np.maximum(rows, 1)
    if rows.max() < 2 or not np.isin(share, (0.0, 1.0)).all():
        return None
    return int(np.sum(share == 1.0)), rows.size


def answer_codes(table: pa.Table, column: ColumnSchema) -> tuple[Ints, int]:
    """Return the answer of each row, int64 [n], -1 where missing, and how many answers there are.

    Answers are levels, or fifths of a number or date.
    """
    values = table.column(column.name).combine_chunks()
    if pa.types.is_dictionary(values.type):
        return codes_of(values), len(values.dictionary)
    numbers = as_floats(values)
    known = ~np.isnan(numbers)
    steps = np.arange(1, CLASSES) / CLASSES
    edges = np.unique(np.quantile(numbers[known], steps)) if known.any() else np.zeros(0)
    return np.where(known, np.searchsorted(edges, numbers, side="left"), -1), edges.size + 1


def few_clusters(degrees_of_freedom: int) -> float:
    """Return by how much few clusters raise a design effect: Student's quantile, squared."""
    if degrees_of_freedom >= ENOUGH:
        return 1.0
    few, enough = stdtrit([degrees_of_freedom, ENOUGH], 0.975)
    return float((few / enough) ** 2)


def variance_of_totals(totals: Floats, strata: Ints) -> float:
    """Return the variance of the sum of the clusters' totals, drawn with replacement.

    A stratum with one cluster counts by its distance to the mean of all.

    totals, strata: of each cluster, float64 and int64 [clusters].
    """
    return float(np.sum(deviations(totals, strata) ** 2))


def deviations(totals: Floats, strata: Ints) -> Floats:
    """Return values, float64 [clusters], whose squares add up to the variance of the totals' sum.

    As `variance_of_totals`.
    """
    sizes = np.bincount(strata)
    means = np.bincount(strata, totals) / np.maximum(sizes, 1)
    alone = sizes[strata] == 1
    away = totals - np.where(alone, totals.mean(), means[strata])
    factor = np.where(alone, 1.0, sizes[strata] / np.maximum(sizes[strata] - 1, 1))
    return np.sqrt(factor) * away


def influences(
    away: Floats, total: float, table: pa.Table, schema: TableSchema
) -> tuple[Floats, int]:
    """Return the influence of units on weighted means, and the degrees of freedom of their errors.

    The squares of the influence, float64 [k, units], add up to the variance of each mean. Units are
    clusters within strata, persons or rows, or replicates; raked weights count as in `Design`.

    away: of each mean, the rows' distances to it, float64 [k, n], 0 where a row has none; total:
    weight of the rows that count.
    """
    design, persons = design_of(table, schema), persons_in(table, schema)
    weights = row_weights(table, schema)
    values = away / total * (1.0 if weights is None else weights)
    if (shifts := replicate_shifts(table, schema)) is not None and design is not None:
        return values @ shifts, design.degrees_of_freedom
    if design is not None and design.cells is not None:
        values = np.array([design.unexplained(one) for one in away]) / total
    if design is not None and (design.has_clusters or persons is None):
        clusters, strata, free = design.clusters, design.strata, design.degrees_of_freedom
    else:
        clusters = np.arange(table.num_rows) if persons is None else persons
        strata = np.zeros(int(clusters.max(initial=-1)) + 1, np.int64)
        free = strata.size - 1
    sums = (np.bincount(clusters, one, strata.size).astype(np.float64) for one in values)
    return np.array([deviations(one, strata) for one in sums]), free


def shrunk(values: Floats, noise: float) -> Floats:
    """Return values, float64 [k], moved to their mean by the share of noise in their variance."""
    if not values.size:
        return values
    spread = max(float(values.var()) - noise, 0.0)
    kept = spread / (spread + noise)
    return values.mean() + kept * (values - values.mean())


def intraclass(clusters: Ints, hit: npt.NDArray[np.bool_]) -> float:
    """Return the intraclass correlation of an answer by analysis of variance over clusters.

    Donner & Koval (1980). 0 where clusters have one row; 1 where so few clusters tell nothing.

    clusters: of each row that has any answer, int64 [n]; hit: rows with the answer, bool [n].
    """
    of = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(of).astype(np.float64)
    groups, rows = sizes.size, hit.size
    if rows - groups < 3:
        return 0.0
    if groups < 3:
        return 1.0
    means = np.bincount(of, hit) / sizes
    within = float(hit.sum() - np.sum(sizes * means**2)) / (rows - groups)
    between = float(np.sum(sizes * (means - hit.mean()) ** 2)) / (groups - 1)
    size = (rows - float(np.sum(sizes**2)) / rows) / (groups - 1)
    return (between - within) / max(between + (size - 1.0) * within, 1e-12)

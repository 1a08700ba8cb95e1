"""The training table as the forest sees it, and what a split must gain."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import chdtrc, chdtri

from simulacra_intake.rows_of_persons import Ints as Persons
from simulacra_intake.rows_of_persons import persons_a_group, persons_in, rows_a_person
from simulacra_intake.survey_weights import effective_rows, row_weights
from simulacra_schema.table import TableSchema
from simulacra_trainer.families.codec import Codes, ColumnCodec, Floats, Ints, fit_column
from simulacra_trainer.families.curve import Placed, place_rows
from simulacra_trainer.families.forest.factors.battery import RunningSums
from simulacra_trainer.families.forest.factors.scores import FactorModel, fit_factors
from simulacra_trainer.families.forest.regression.additive import functions_of
from simulacra_trainer.families.forest.regression.loglinear_problem import Regression, Weights
from simulacra_trainer.families.forest.regression.loglinear_terms import Functions, Grouping
from simulacra_trainer.families.forest.regression.loglinear_terms import (
    functions_of as class_functions_of,
)
from simulacra_trainer.families.forest.samplers import Context, Pool

DEFAULT_SCALE = 1.0
MAX_REGRESSION_ROWS = 4_000
"""Tables of more rows are left to trees, which are as good there and faster."""
MAX_BATTERY_CELLS = 1_000_000
"""Wide tables of more cells are left to trees, because a fit takes minutes."""
MAX_COLUMNS = 80
"""With more columns, log-linear regressions see factor scores instead of items."""


def split_prices(penalty: float, most: int) -> Floats:
    """Return the nats that a split with k extra parameters must gain, float64 [most + 1].

    For k = 1 that is half a nat (as in AIC) plus the penalty. Twice the gain of a useless split is
    chi-square with k degrees of freedom (Wilks, 1938). So for larger k the price is the gain that
    chance exceeds with the same probability as for k = 1. Half a nat per parameter plus the penalty
    would let targets with many classes overfit.
    """
    parameters = np.arange(1, most + 1)
    seldom = chdtrc(1, 2.0 * (0.5 + penalty))
    return np.append(0.5 + penalty, 0.5 * chdtri(parameters, seldom))


@dataclass(frozen=True)
class Prepared:
    """The classes of a column's rows, and the regression to fit.

    Attributes:
        meaning: value of each class, float64 [classes]; NaN for several values.
        pools: draw the values of a class with several.
        problem: the regression; None with a single class.
    """

    grouping: Grouping
    meaning: Floats
    pools: dict[int, Pool]
    problem: Regression | None


@dataclass(frozen=True)
class TrainingRows:
    """The training table as the trees see it.

    Attributes:
        codes: predictor codes, uint8 [columns, n].
        values: float64 [columns][n].
        functions: of each column's codes, for regressions (`regression.additive.functions_of`).
        penalty: nats that a split must gain beyond its parameters.
        weights: survey weights, float64 [n], None without (`trees.donors`).
        persons: of each row, int64 [n]; None where each row is its own person.
        scale: of the standard deviations of log-linear regressions.
        independent: regressions take the rows of a person as independent given the columns, as with
            a history of the person's earlier rows; trees count persons all the same.
        priors: these standard deviations at scale 1, and weights to start from, by column and
            predictors, once they are known.
        prepared: small regressions of all rows, by the same key.
        table_rows: rows of the table that these are a part of; 0 if they are all of it.
        placed: rows of number columns on their curves, once they are known.
        nested: columns that lie in another one by a relation of the table, and this other.
    """

    codes: Codes
    values: list[Floats]
    codecs: list[ColumnCodec]
    functions: list[Floats]
    penalty: float
    weights: Floats | None = None
    persons: Persons | None = None
    scale: float = DEFAULT_SCALE
    independent: bool = False
    priors: dict[tuple[int, ...], tuple[Floats, Weights]] = field(default_factory=dict)
    prepared: dict[tuple[int, ...], Prepared] = field(default_factory=dict)
    table_rows: int = 0
    placed: dict[int, Placed] = field(default_factory=dict)
    nested: frozenset[tuple[int, int]] = frozenset()

    def with_strength(self, penalty: float, scale: float) -> TrainingRows:
        """Return the same rows with another penalty and scale, on which nothing kept depends."""
        out = replace(self, penalty=penalty, scale=scale)
        names = {of.name for of in fields(self)}
        out.__dict__.update({name: of for name, of in self.__dict__.items() if name not in names})
        return out

    def placed_on_curve(self, column: int) -> Placed | None:
        """Return the rows of a number column on its curve; None for category kinds."""
        codec = self.codecs[column]
        if codec.is_category:
            return None
        if column not in self.placed:
            values = self.values[column]
            self.placed[column] = place_rows(values, codec.step, self.persons, self.weights)
        return self.placed[column]

    def is_exact(self, column: int, values: Floats) -> npt.NDArray[np.bool_]:
        """Return which values are drawn exactly: levels, heaps and missing, bool [n]."""
        placed = self.placed_on_curve(column)
        if placed is None:
            return np.ones(values.size, np.bool_)
        return np.isnan(values) | np.isin(values, placed.curve.heaps)

    @cached_property
    def codes_of(self) -> dict[int, int]:
        """The number whose gaps each column of special codes describes, as positions."""
        place = {codec.name: j for j, codec in enumerate(self.codecs)}
        of = {j: codec.codes_of for j, codec in enumerate(self.codecs)}
        return {j: place[name] for j, name in of.items() if name is not None}

    @cached_property
    def class_functions(self) -> list[Functions]:
        """Functions of each column's codes for log-linear regressions."""
        both = zip(self.codes, self.codecs, strict=True)
        return [class_functions_of(codes, codec, self.persons) for codes, codec in both]

    @cached_property
    def factors(self) -> FactorModel | None:
        """Factors of a wide table with few rows; None in other tables."""
        columns, rows = len(self.codecs), max(self.codes.shape[1], self.table_rows)
        few = rows <= MAX_REGRESSION_ROWS and rows * columns <= MAX_BATTERY_CELLS
        if columns <= MAX_COLUMNS or not few:
            return None
        functions = self.class_functions
        return fit_factors(self.codes, functions, self.row_information, self.persons)

    def codes_at(self, columns: Ints, rows: Ints) -> Codes:
        """Return the codes of columns at rows, ascending, uint8 [columns, rows]."""
        codes = self.codes[columns]
        return codes if rows.size == codes.shape[1] else codes.take(rows, axis=1)

    @cached_property
    def context(self) -> Context:
        """All rows as predictors; their sums over items serve all columns and folds."""
        return Context(self.codes, self.values, RunningSums(keeps_all=True))

    @cached_property
    def row_information(self) -> Floats:
        """Independent rows that each row counts as in a likelihood, float64 [n]."""
        rows = self.codes.shape[1]
        if self.weights is None:
            return np.full(rows, 1.0 / self._alike)
        share = effective_rows(self.weights) / rows
        return self.weights * (share / self._alike)

    def information_of(self, rows: Ints) -> Floats:
        """Return `row_information` of these rows; without any weight they count alike."""
        found = self.row_information[rows]
        return found if found.any() else np.full(rows.size, 1.0 / self._alike)

    @property
    def _alike(self) -> float:
        """Rows that count as one in a likelihood."""
        return 1.0 if self.independent else self.rows_a_person

    @cached_property
    def rows_a_person(self) -> float:
        """Rows that count as one in every price, because they come from the same person."""
        return rows_a_person(self.persons)

    def prices(self, most: int) -> Floats:
        """Return `split_prices` in nats of this table's rows, float64 [most + 1]."""
        return split_prices(self.penalty, most) * self.rows_a_person

    def persons_a_group(self, rows: Ints, groups: npt.NDArray[np.integer], size: int) -> Persons:
        """Return how many persons each group of rows has, int64 [size]."""
        persons = None if self.persons is None else self.persons[rows]
        return persons_a_group(groups, persons, size)


def code_rows(
    table: pa.Table,
    schema: TableSchema,
    penalty: float,
    scale: float = DEFAULT_SCALE,
    *,
    independent: bool = False,
    table_rows: int = 0,
    codecs: list[ColumnCodec] | None = None,
) -> TrainingRows:
    """Return a clean table coded for the trees; the options are those of `TrainingRows`.

    codecs: of the columns, if they are known.
    """
    weights, persons = row_weights(table, schema), persons_in(table, schema)
    placed: dict[int, Placed] = {}
    if codecs is None:
        columns = schema.modeled()
        fitted = [fit_column(table.column(c.name), c, persons, weights) for c in columns]
        codecs = [codec for codec, _ in fitted]
        placed = {j: of for j, (_, of) in enumerate(fitted) if of is not None}
    values: list[Floats] = [codec.values(table.column(codec.name)) for codec in codecs]
    codes: Codes = np.empty((len(codecs), table.num_rows), np.uint8)
    for j, codec in enumerate(codecs):
        codes[j] = codec.encode(values[j])
    place = {codec.name: j for j, codec in enumerate(codecs)}
    return TrainingRows(
        codes,
        values,
        codecs,
        [functions_of(of, codec) for of, codec in zip(codes, codecs, strict=True)],
        penalty,
        weights,
        persons,
        scale,
        independent,
        table_rows=table_rows,
        placed=placed,
        nested=frozenset((place[one.of[0]], place[one.column]) for one in schema.nested()),
    )

"""Estimates of one contrast under different adjustment sets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import EstimateRequest
from simulacra_intake.arrow_values import as_floats, with_values
from simulacra_intake.rows_of_persons import Ints
from simulacra_schema.answers import Method
from simulacra_schema.conditions import value_in
from simulacra_schema.table import TableSchema
from simulacra_trainer.cell_keys import Keys, noisy_count, person_keys
from simulacra_trainer.effects.aipw import FOLDS, Predictions, aipw_scores, predict
from simulacra_trainer.effects.models.base_choice import Bases
from simulacra_trainer.effects.models.contrast import Contrast, Design, Flags, read_contrast
from simulacra_trainer.effects.models.features import Features, build_features, crossing_columns
from simulacra_trainer.effects.scores import Interval, Scores, summarize
from simulacra_trainer.effects.slopes import Doses, spline_terms

CROSS_FITS = 3
ONE_FIT_ROWS = 20_000
"""Above this number of rows folds hardly matter, and one cross-fit is enough."""


class Estimator:
    """Estimates one contrast under different adjustment sets.

    Attributes:
        table: the rows with known treatment and outcome.
        method: of the outcome model.
    """

    def __init__(
        self,
        table: pa.Table,
        schema: TableSchema,
        request: EstimateRequest,
        seed: int,
        design: Design | None = None,
    ) -> None:
        """Read the contrast, of the given design in some rows of a table.

        Raises:
            InputError: as `read_contrast`.
        """
        request = _as_named(request, schema)
        self.contrast: Contrast = read_contrast(table, schema, request, design)
        self.table = table.take(self.contrast.rows)
        self.schema = schema
        self.request = request
        self.seed = seed
        self.method: Method = "aipw" if self.contrast.design == "levels" else "dml"
        arms = (self.contrast.value, self.contrast.baseline)
        self.smallest_arm = min(int(arm.rows.sum()) for arm in arms)
        self.in_range = all(arm.in_range for arm in arms)

    def counted(self, rows: Flags) -> int:
        """Return how many rows these are, bool [n], with the noise of their persons' keys."""
        return noisy_count(self._keys[rows])

    @cached_property
    def _keys(self) -> Keys:
        return person_keys(self.table, self.schema)

    def predictions(self, columns: list[str]) -> list[Predictions]:
        """Return the predictions of each cross-fit."""
        count = CROSS_FITS if self.contrast.rows.size <= ONE_FIT_ROWS else 1
        return self._cross_fits(columns, count, FOLDS)

    def scores(
        self, predictions: Sequence[Predictions], answered: Flags | None = None
    ) -> list[Scores]:
        """Return the scores of each cross-fit.

        answered: bool [n], rows that the effect is for; None for all of the population.
        """
        of = self.request.population
        return [aipw_scores(self.contrast, one, of, answered) for one in predictions]

    def effect(self, columns: list[str], answered: Flags | None = None) -> Interval:
        """Return the effect with its interval."""
        return summarize(self.scores(self.predictions(columns), answered))

    def rough_scores(
        self, columns: list[str], bases: Bases, answered: Flags | None = None
    ) -> Scores:
        """Return the scores of one cross-fit with two folds, for checks that repeat it.

        bases: of the nuisance models, chosen by the first repetitions together.
        """
        return self.scores(self._cross_fits(columns, 1, 2, bases), answered)[0]

    def _cross_fits(
        self, columns: list[str], count: int, folds: int, bases: Bases | None = None
    ) -> list[Predictions]:
        # The same set gives the same numbers in whatever order its columns were named.
        columns = [name for name in self.table.column_names if name in columns]
        features = self.features(columns)
        doses = self._doses(columns) if self.method == "dml" else None
        bases = {} if bases is None else bases
        return [
            predict(self.contrast, features, doses, self.seed + run, bases, folds)
            for run in range(count)
        ]

    def features(self, columns: list[str]) -> Features:
        """Return the features of adjustment columns."""
        return build_features(self.table, self.schema, columns)

    def _doses(self, columns: list[str]) -> Doses:
        asked = np.array([float(self.request.value), float(self.request.baseline)])
        terms, at = spline_terms(as_floats(self.table.column(self.request.treatment)), asked)
        crossed = crossing_columns(self.table, self.schema, columns)
        return Doses(terms, at, crossed)

    def dosed(self, columns: list[str], doses: Sequence[float]) -> Features:
        """Return the features of (K + 1) n rows: treatment as observed, then at each of K doses."""
        name, n = self.request.treatment, self.table.num_rows
        values = [as_floats(self.table.column(name)), *(np.full(n, dose) for dose in doses)]
        tables = [with_values(self.table, name, pa.array(dosed)) for dosed in values]
        return build_features(pa.concat_tables(tables), self.schema, [name, *columns], observed=n)

    def drawn(self, rows: int, seed: int | np.random.Generator) -> Ints:
        """Return the positions of at most this many rows, in ascending order."""
        n, rng = self.table.num_rows, np.random.default_rng(seed)
        return np.arange(n) if n <= rows else np.sort(rng.choice(n, rows, replace=False))

    def at(self, rows: Ints, seed: int) -> Estimator:
        """Return an estimator on the rows at these positions."""
        table = self.table.take(pa.array(rows))
        return Estimator(table, self.schema, self.request, seed, self.contrast.design)

    def permuted(self, rows: int, seed: int) -> Estimator:
        """Return an estimator on at most this many rows, with the treatment dealt at random."""
        rng, name = np.random.default_rng(seed), self.request.treatment
        table = self.table.take(pa.array(self.drawn(rows, rng)))
        dealt = table.column(name).take(rng.permutation(table.num_rows))
        table = table.set_column(table.column_names.index(name), table.field(name), dealt)
        return Estimator(table, self.schema, self.request, seed, self.contrast.design)


def _as_named(request: EstimateRequest, schema: TableSchema) -> EstimateRequest:
    """Return a question with the numbers or levels that value and baseline name."""
    column = schema.find(request.treatment)
    if column is None:
        return request
    given = {"value": request.value, "baseline": request.baseline}
    named = {field: value_in(one, column) for field, one in given.items()}
    return request.model_copy(update={f: one for f, one in named.items() if one is not None})

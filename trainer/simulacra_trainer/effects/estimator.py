"""Estimates of one contrast under different adjustment sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import EstimateRequest
from simulacra_intake.arrow_values import as_floats, sample_rows
from simulacra_schema.answers import Method
from simulacra_schema.table import TableSchema
from simulacra_trainer.cell_keys import noisy_count, person_keys
from simulacra_trainer.effects.aipw import FOLDS, aipw_scores
from simulacra_trainer.effects.models.base_choice import Bases
from simulacra_trainer.effects.models.contrast import Arm, Contrast, read_contrast
from simulacra_trainer.effects.models.features import Features, build_features
from simulacra_trainer.effects.scores import Interval, Scores, summarize

CROSS_FITS = 3
ONE_FIT_ROWS = 20_000
"""Above this number of rows folds hardly matter, and one cross-fit is enough."""


class Estimator:
    """Estimates one contrast under different adjustment sets.

    Attributes:
        table: the rows with known treatment and outcome.
        contrast: over these rows.
        method: of the outcome model.
        smallest_arm: number of rows of the smaller arm.
    """

    def __init__(
        self, table: pa.Table, schema: TableSchema, request: EstimateRequest, seed: int
    ) -> None:
        """Read the contrast.

        Raises:
            InputError: as `read_contrast`.
        """
        self.contrast: Contrast = read_contrast(table, schema, request)
        self.table = table.take(self.contrast.rows)
        self.schema = schema
        self.request = request
        self.seed = seed
        self.method: Method = "aipw" if self.contrast.design == "levels" else "aipw-window"
        arms = (self.contrast.value, self.contrast.baseline)
        self.smallest_arm = min(int(arm.rows.sum()) for arm in arms)
        self.in_range = all(arm.in_range for arm in arms)

    def counted(self, arm: Arm) -> int:
        """Return how many rows an arm has, with the noise of their persons' keys."""
        return noisy_count(person_keys(self.table, self.schema)[arm.rows])

    def runs(self, columns: list[str]) -> list[Scores]:
        """Return the scores of each cross-fit."""
        count = CROSS_FITS if self.contrast.rows.size <= ONE_FIT_ROWS else 1
        return self._cross_fits(columns, count, FOLDS)

    def effect(self, columns: list[str]) -> Interval:
        """Return the effect with its interval."""
        return summarize(self.runs(columns))

    def rough_effect(self, columns: list[str], bases: Bases) -> Interval:
        """Return the effect from one cross-fit with two folds, for checks that repeat it.

        bases: of the nuisance models, chosen by the first repetitions together.
        """
        return summarize(self._cross_fits(columns, 1, 2, bases))

    def _cross_fits(
        self, columns: list[str], count: int, folds: int, bases: Bases | None = None
    ) -> list[Scores]:
        # The same set gives the same numbers in whatever order its columns were named.
        columns = [name for name in self.table.column_names if name in columns]
        features = self.features(columns)
        asked, population = self.request, self.request.population
        dosed = None
        if self.method == "aipw-window":
            dosed = self.dosed(columns, [float(asked.value), float(asked.baseline)])
        bases = {} if bases is None else bases
        return [
            aipw_scores(self.contrast, features, dosed, population, self.seed + run, bases, folds)
            for run in range(count)
        ]

    def features(self, columns: list[str]) -> Features:
        """Return the features of adjustment columns."""
        return build_features(self.table, self.schema, columns)

    def dosed(self, columns: list[str], doses: Sequence[float]) -> Features:
        """Return the features of (K + 1) n rows: treatment as observed, then at each of K doses."""
        name, n = self.request.treatment, self.table.num_rows
        at = self.table.column_names.index(name)
        values = [as_floats(self.table.column(name)), *(np.full(n, dose) for dose in doses)]
        tables = [self.table.set_column(at, name, pa.array(dosed)) for dosed in values]
        return build_features(pa.concat_tables(tables), self.schema, [name, *columns], observed=n)

    def sample(self, rows: int, seed: int, *, permuted: bool = False) -> Estimator:
        """Return an estimator on at most this many rows.

        permuted: deal the treatment at random among them.
        """
        rng = np.random.default_rng(seed)
        table = sample_rows(self.table, rows, rng)
        if permuted:
            name = self.request.treatment
            dealt = table.column(name).take(rng.permutation(table.num_rows))
            table = table.set_column(table.column_names.index(name), table.field(name), dealt)
        return Estimator(table, self.schema, self.request, seed)

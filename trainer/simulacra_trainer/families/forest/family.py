"""The forest family: its options, fit and load."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from simulacra_schema.table import TableSchema
from simulacra_trainer.families.base import Options, Progress, no_progress
from simulacra_trainer.families.forest.growth.structure import find_structure, grow_samplers
from simulacra_trainer.families.forest.growth.training_rows import DEFAULT_SCALE, code_rows
from simulacra_trainer.families.forest.model.forest_model import (
    INDEPENDENT,
    PENALTY,
    SCALE,
    ForestModel,
)
from simulacra_trainer.families.forest.samplers import Pool, Sampler

METHODS, TABLE_ROWS, GIVEN = "methods", "table_rows", "given"
DEFAULT_PENALTY = 3.0
_NEVER_DRAWN = Pool(np.full(1, np.nan), np.full(1, np.nan))
"""Stands for the sampler of a column that callers always give."""


class Forest:
    """The family (see `families.base.Family`).

    Options: penalty, nats a split must gain beyond its parameters; scale, of the standard
    deviations of log-linear regressions; methods, of columns by name (held-out rows decide the
    others); table_rows, of the table that the rows are a part of; given, names of columns that are
    only causes, given whenever rows are drawn; independent, whether regressions take rows of a
    person as independent given the columns.
    """

    name = "forest"

    def fit(
        self,
        table: pa.Table,
        schema: TableSchema,
        order: Sequence[str],
        *,
        seed: int = 0,
        options: Options,
        progress: Progress = no_progress,
    ) -> ForestModel:
        """Fit on the clean table. It uses no randomness, so the seed is not used."""
        data = code_rows(
            table,
            schema,
            float(options.get(PENALTY, DEFAULT_PENALTY)),
            float(options.get(SCALE, DEFAULT_SCALE)),
            independent=bool(options.get(INDEPENDENT)),
            table_rows=options.get(TABLE_ROWS, table.num_rows),
        )
        position = {codec.name: j for j, codec in enumerate(data.codecs)}
        methods = {position[name]: method for name, method in options.get(METHODS, {}).items()}
        places = [position[name] for name in schema.with_codes(order)]
        given: dict[int, Sampler] = {
            position[name]: _NEVER_DRAWN for name in options.get(GIVEN, ())
        }
        structure = find_structure(data)
        samplers = grow_samplers(data, places, given, structure, methods, progress)
        return ForestModel(data, places, samplers, structure)

    def load(
        self, directory: Path, table: pa.Table, schema: TableSchema, prefix: str = ""
    ) -> ForestModel:
        """Load a saved model; see `ForestModel.load`."""
        return ForestModel.load(directory, table, schema, prefix)


FOREST = Forest()

"""How many respondents stand behind rows under do(): those with the value, weighted to everybody.

Weighted by the inverse of the probability of their value given its direct causes, the respondents
with the value represent the population under the intervention (Horvitz & Thompson, 1952). Kish's
effective number of these weights is what they are worth.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from simulacra_crds.contract.schema import TableSchema
from simulacra_trainer.effects.aipw import CLIP
from simulacra_trainer.effects.base_choice import Bases
from simulacra_trainer.effects.contrast import Flags, are_enough, window_reach
from simulacra_trainer.effects.features import (
    LEVEL_KINDS,
    Floats,
    build_features,
    level_positions,
    levels_of,
    schema_kind,
)
from simulacra_trainer.effects.nuisance import fit_nuisance
from simulacra_trainer.evidence import weighted_respondents
from simulacra_trainer.graph import CausalGraph
from simulacra_trainer.persons import persons_in, split_persons
from simulacra_trainer.survey_weights import row_weights
from simulacra_trainer.table.arrow_values import as_floats, sample_rows

MAX_ROWS = 20_000
MIN_TREATED = 20
"""With fewer respondents, rows under do() come from the model alone."""
FOLDS = 3


def treated_respondents(
    table: pa.Table,
    schema: TableSchema,
    graph: CausalGraph,
    do: Mapping[str, float | str],
    *,
    seed: int,
) -> float | None:
    """Return the respondents behind rows under do(); None where too few have the values.

    Args:
        table: clean training table; MAX_ROWS rows are sampled from larger ones.
        schema: its schema.
        graph: gives the direct causes of each column that is set.
        do: the number or level of each column; near a number that few have.
        seed: of folds and samples.
    """
    rows = table.num_rows
    table = sample_rows(table, MAX_ROWS, np.random.default_rng([seed, 31]))
    treated = np.ones(table.num_rows, np.bool_)
    weights = row_weights(table, schema)
    weights = np.ones(table.num_rows) if weights is None else weights.copy()
    for name, value in do.items():
        has_value = _has_value(table, schema, name, value)
        if has_value is None:
            return None
        treated &= has_value
        if treated.sum() < MIN_TREATED:
            return None
        weights /= _propensity(table, schema, graph.parents(name), has_value, seed)
    persons = persons_in(table, schema)
    of_treated = None if persons is None else persons[treated]
    return weighted_respondents(weights[treated], of_treated) * rows / table.num_rows


def _has_value(table: pa.Table, schema: TableSchema, name: str, value: float | str) -> Flags | None:
    """Return the rows with the value or, of a number that few have, the nearest ones.

    None for a number outside the observed range, which is an extrapolation.
    """
    if schema_kind(schema, name) in LEVEL_KINDS:
        levels = levels_of(table, name)
        return level_positions(table, name) == (levels.index(str(value)) if value in levels else -2)
    values = as_floats(table.column(name))
    wanted = float(value)
    known = values[~np.isnan(values)]
    if not known.size or not known.min() <= wanted <= known.max():
        return None
    exact: Flags = values == wanted
    if are_enough(known == wanted):
        return exact
    return np.abs(values - wanted) <= window_reach(known - wanted)


def _propensity(
    table: pa.Table, schema: TableSchema, causes: list[str], has_value: Flags, seed: int
) -> Floats:
    """Return the cross-fitted probability of having the value given its causes, float64 [n]."""
    share = float(has_value.mean())
    if not causes:
        return np.full(has_value.size, share)
    features = build_features(table, schema, causes)
    rng = np.random.default_rng([seed, 32])
    fold = np.empty(has_value.size, np.int64)
    for k, part in enumerate(
        np.array_split(split_persons(persons_in(table, schema), has_value.size, rng), FOLDS)
    ):
        fold[part] = k
    propensity = np.empty(has_value.size)
    bases: Bases = {}
    for k in range(FOLDS):
        learn, held = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        is_in = has_value[learn].astype(np.float64)
        model = fit_nuisance(features.rows(learn), is_in, rng, bases)
        propensity[held] = model.predict(features.rows(held))
    least = CLIP * min(1.0, 2.0 * share)
    return np.clip(propensity, least, 1.0)

"""How many respondents stand behind rows under do(): those with the value, weighted to everybody.

Weighted by the inverse of the probability of their value given what comes before it, the
respondents with the value represent the population under the intervention (Horvitz & Thompson,
1952). Kish's effective number of these weights is what they are worth. An effect adjusts for the
same columns, and the same rule says whether they are enough (`support`).
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats, codes_of, sample_rows
from simulacra_intake.rows_of_persons import persons_in, split_persons
from simulacra_intake.survey_weights import row_weights
from simulacra_schema.table import TableSchema
from simulacra_trainer.cell_keys import noisy_count, person_keys
from simulacra_trainer.design import clusters_treated, units_in
from simulacra_trainer.effects.aipw import CLIP
from simulacra_trainer.effects.column_timing import stated_timing
from simulacra_trainer.effects.models.base_choice import Bases
from simulacra_trainer.effects.models.blocks import in_blocks
from simulacra_trainer.effects.models.contrast import Flags, is_observed, window_reach
from simulacra_trainer.effects.models.exact_arms import are_enough
from simulacra_trainer.effects.models.features import LEVEL_KINDS, Floats, build_features, levels_of
from simulacra_trainer.effects.models.nuisance import fit_nuisance
from simulacra_trainer.effects.overlap.counterparts import almost_without, largest_share
from simulacra_trainer.effects.overlap.support import Held, Support, unsupported
from simulacra_trainer.evidence import coarse_share, drawn_apart, two_digits, weighted_respondents
from simulacra_trainer.graph import CausalGraph

MAX_ROWS = 20_000
FOLDS = 3


def support_of_do(
    table: pa.Table,
    schema: TableSchema,
    graph: CausalGraph,
    do: Mapping[str, float | str],
    *,
    seed: int,
) -> Support:
    """Return the respondents behind rows under do(), or why they are too few.

    table: MAX_ROWS rows are sampled from larger ones; graph: gives what comes before each column
    that is set, stated columns and direct causes; do: the number or level of each column, near a
    number that few have.
    """
    scale = max(table.num_rows / MAX_ROWS, 1.0)
    table = sample_rows(table, MAX_ROWS, np.random.default_rng([seed, 31]))
    treated = np.ones(table.num_rows, np.bool_)
    survey, units = row_weights(table, schema), units_in(table, schema)
    weights = np.ones(table.num_rows) if survey is None else survey.copy()
    lacking = np.zeros(table.num_rows, np.bool_)
    keys = person_keys(table, schema)
    for name, value in do.items():
        has_value, in_range = _has_value(table, schema, name, value)
        treated &= has_value
        held = Held({name: value}, in_range, int(scale * noisy_count(keys[has_value])))
        both = Held(dict(do), True, int(scale * noisy_count(keys[treated])))
        if missing := unsupported([held, both]):
            return Support(missing=missing)
        fitted = _propensity(table, schema, columns_before(schema, graph, name), has_value, seed)
        share = float(has_value.mean())
        of_two = len(schema.column(name).levels) == 2
        most = largest_share(float(np.average(has_value, weights=survey)), of_two=of_two)
        lacking |= almost_without(fitted, has_value, survey, units, most)
        weights /= np.clip(fitted, CLIP * min(1.0, 2.0 * share), 1.0)
    persons = persons_in(table, schema)
    of_treated = None if persons is None else persons[treated]
    people = weighted_respondents(weights[treated], of_treated) / drawn_apart(table, schema)
    if (given := clusters_treated(table, schema, treated)) is not None:
        people = min(people, float(given[0]))
    respondents = two_digits(scale * people)
    missing = unsupported([replace(both, effective=respondents)])
    share = coarse_share(1.0 - float(np.average(lacking, weights=survey)), table.num_rows)
    return Support(None if missing else respondents, missing, share)


def columns_before(schema: TableSchema, graph: CausalGraph, name: str) -> list[str]:
    """Return the columns that the main answer about an effect of a column adjusts for."""
    timing, _ = stated_timing(graph.knowledge, schema, name)
    stated = [other for other in timing if timing[other] == "before"]
    learned = [cause for cause in graph.parents(name) if timing.get(cause, "unknown") == "unknown"]
    return [*stated, *learned]


def _has_value(
    table: pa.Table, schema: TableSchema, name: str, value: float | str
) -> tuple[Flags, bool]:
    """Return the rows with the value or, of a number that few have, the nearest blocks.

    And whether it lies within the observed range; beyond it is an extrapolation.
    """
    if schema.column(name).kind in LEVEL_KINDS:
        levels = levels_of(table, name)
        at = levels.index(str(value)) if value in levels else -2
        return codes_of(table.column(name)) == at, True
    values = as_floats(table.column(name))
    wanted = float(value)
    is_known = ~np.isnan(values)
    blocks = in_blocks(values, persons_in(table, schema))
    in_range = is_observed(schema.column(name), blocks[is_known], wanted)
    exact: Flags = values == wanted
    if not in_range or are_enough(exact[is_known]):
        return exact, in_range
    distance = np.abs(blocks - wanted)
    near: Flags = distance <= window_reach(blocks[is_known], wanted)
    if near.sum() <= is_known.sum() / 2:
        return near, True
    # At most half of the rows are near: an effect compares them with as many others.
    half = np.quantile(distance[is_known], 0.5, method="higher")
    return (distance == np.nanmin(distance)) | (distance < half), True


def _propensity(
    table: pa.Table, schema: TableSchema, causes: list[str], has_value: Flags, seed: int
) -> Floats:
    """Return the cross-fitted probability of having the value given its causes, float64 [n]."""
    share = float(has_value.mean())
    if not causes:
        return np.full(has_value.size, share)
    features = build_features(table, schema, causes)
    rng = np.random.default_rng([seed, 32])
    order = split_persons(persons_in(table, schema), has_value.size, rng)
    propensity = np.empty(has_value.size)
    bases: Bases = {}
    for part in np.array_split(order, FOLDS):
        held, learn = np.sort(part), np.delete(np.arange(order.size), part)
        is_in = has_value[learn].astype(np.float64)
        model = fit_nuisance(features.rows(learn), is_in, rng, bases)
        propensity[held] = model.predict(features.rows(held))
    return propensity

"""The plan of rows from one model under conditions and interventions, and its chunks.

- Without conditions, each chunk is drawn from the model with its own random stream, under do() if
  the request has interventions.
- Conditions: a pool of the conditioned columns is drawn (`conditioned_pool`), `plan_rows` picks a
  pool row for every row of the table so that all shares are met to the row, and each chunk draws
  the other columns given its picks.
- Conditions with do(): on columns that the intervention cannot change, conditions select the
  population before it, so these columns and all other non-descendants are drawn first, then do() is
  applied. On descendants of the intervention they select afterwards: full rows are drawn under do()
  and picked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import GenerateRequest
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.next_wave import NEXT, of_known_waves
from simulacra_schema.ranges import NumericRange
from simulacra_schema.rules import Rule
from simulacra_schema.table import YES, TableSchema, part_name
from simulacra_trainer.conditions import AttainmentDetail, plan_rows
from simulacra_trainer.conditions.conflicts import refuse_contradictions
from simulacra_trainer.effects.pairs.changes import PairChanges
from simulacra_trainer.evidence import rows_behind
from simulacra_trainer.families.base import FittedModel
from simulacra_trainer.pipeline.conditioned_pool import (
    ConditionedPool,
    draw_full_pool,
    draw_pool,
)
from simulacra_trainer.pipeline.evidence import Evidence
from simulacra_trainer.pipeline.identification import Identification
from simulacra_trainer.pipeline.quota_pool import EXTRA_ROWS, with_rare_cells
from simulacra_trainer.rules.plan import (
    distinct_picks,
    distinct_rows,
    refuse_unattained,
    together,
    unique_rules,
)
from simulacra_trainer.trained_model import TrainedModel

CHUNK_ROWS = 65_536
MIN_POOL = 200_000
MAX_POOL = 1_000_000
MIN_DISTINCT_POOL = 20_000
"""Rows that different ones are chosen from where there are no conditions."""
POOL_STREAM, PLAN_STREAM, ROW_STREAM, OUTPUT_STREAM, TWIN_STREAM, HISTORY_STREAM = range(6)


@dataclass(frozen=True)
class GenerationPlan:
    """The plan that all shards of a generation share.

    Attributes:
        rows: of the whole table; twins count as rows.
        model: draws the rows.
        given: pool of values for the first columns of the model; None without conditions.
        picks: the pool row of each row, int64 [rows].
        complete: the pool holds whole rows, so nothing is left to draw.
        do: interventions, as coded by the clean types.
        attainment: how well the conditions are met; None without conditions.
        twins: draws the counterfactual twin of each row; None without twins.
        changes: what is measured of the changes of single pairs; None: the model alone says them.
        identification: whether do() is identified; None without interventions.
        evidence: what the rows are worth; None if the request asks for no weights.
        held: columns under a condition or do().
        share: of the learned distribution that `given` is a sample of.
        weights: of the rows of `given`, float64 [pool rows]; None: equal.
        next_wave: column of the wave, which rows of the next one leave empty; None of others.
    """

    rows: int
    seed: int
    model: FittedModel
    given: pa.Table | None = None
    picks: np.ndarray[Any, np.dtype[np.int64]] | None = None
    complete: bool = False
    do: Mapping[str, float | str] | None = None
    attainment: AttainmentDetail | None = None
    twins: FittedModel | None = None
    changes: PairChanges | None = None
    identification: Identification | None = None
    evidence: Evidence | None = None
    held: frozenset[str] = frozenset()
    share: float = 1.0
    weights: np.ndarray[Any, np.dtype[np.float64]] | None = None
    next_wave: str | None = None


def plan_sampling(trained: TrainedModel, request: GenerateRequest) -> GenerationPlan:
    """Plan the rows of a request; options of several answers are columns of their own.

    Raises:
        InputError: the conditions have no support, or quotas contradict each other.
    """
    n = request.row_count
    seed = request.seed
    do = dict(request.interventions)
    # Rows of the next wave are those of the newest that meet its shares.
    conditions, _ = of_known_waves(request.conditions, trained.schema)
    wave = trained.schema.wave()
    following = None if wave is None or conditions is request.conditions else wave.name
    unique = unique_rules(trained.schema)
    if not (conditions.columns() or unique):
        return GenerationPlan(n, seed, trained.model, do=do)
    if conditions.quotas:
        refuse_contradictions(conditions, trained.schema)
    pool, complete = _draw_pool(trained, conditions, request, unique)
    if not conditions.columns():
        picks = distinct_rows(pool.table, unique, n)
        return GenerationPlan(n, seed, pool.model, pool.table, picks, complete, do)
    plan = plan_rows(
        pool.table.select(conditions.columns()),
        conditions,
        n,
        stream(seed, PLAN_STREAM),
        behind=rows_behind(trained.table, trained.schema),
        drawn_inside=pool.lead,
        weights=pool.weights,
    )
    refuse_unattained(plan.attainment, conditions, trained.schema)
    picks = plan.indices
    if unique:
        rng = stream(seed, PLAN_STREAM, 1)
        picks = distinct_picks(pool.table, picks, plan.of_row, unique, rng)
    attainment = by_option(pool.corrected(plan.attainment), trained.schema)
    if following is not None:
        outcomes = [
            one.model_copy(update={"level": NEXT}) if one.column == following else one
            for one in attainment.conditions
        ]
        attainment = attainment.model_copy(update={"conditions": outcomes})
    return GenerationPlan(
        n,
        seed,
        pool.model,
        pool.table,
        picks,
        complete,
        do,
        attainment,
        share=pool.share,
        weights=pool.weights,
        next_wave=following,
    )


def _draw_pool(
    trained: TrainedModel,
    conditions: ConditionSet,
    request: GenerateRequest,
    unique: Sequence[Rule],
) -> tuple[ConditionedPool, bool]:
    """Return the pool that rows are picked from, and whether it holds whole rows."""
    n, do = request.row_count, dict(request.interventions)
    rng = stream(request.seed, POOL_STREAM)
    changed = _changed_by(trained, do)
    pool_rows = min(max(MIN_POOL, 2 * n), MAX_POOL)
    if not conditions.columns():
        pool_rows = max(MIN_DISTINCT_POOL, 2 * n)
    beside = [name for rule in unique for name in rule.columns()]
    asked = together(trained.schema, [*conditions.columns(), *beside])
    ruled = set(asked) - set(conditions.columns())
    complete = bool(changed & set(asked) or ruled & set(do))  # a rule selects rows after do()
    if complete:
        pool = draw_full_pool(trained, conditions, do, pool_rows, rng)
    else:
        fixed = changed | set(do)
        unchanged = [c for c in trained.model.columns if c not in fixed] if do else []
        pool = draw_pool(trained, conditions, pool_rows, rng, then=unchanged, beside=beside)

    def draw_in(ranges: Mapping[str, NumericRange]) -> ConditionedPool:
        if complete:
            return draw_full_pool(trained, conditions, do, EXTRA_ROWS, rng, also=ranges)
        return draw_pool(trained, conditions, EXTRA_ROWS, rng, also=ranges, beside=beside)

    return with_rare_cells(pool, conditions.quotas, draw_in), complete


def _changed_by(trained: TrainedModel, do: Mapping[str, Any]) -> set[str]:
    """Return the columns that do() changes, and those that are computed from others.

    A pool that meets conditions on any of them has all columns.
    """
    changed = {after for name in do for after in trained.graph.descendants(name)}
    moved = {*changed, *do}
    changed |= {one.name for one in trained.schema.modeled() if one.codes_of in moved}
    return changed | set(trained.schema.following())


def by_option(detail: AttainmentDetail, schema: TableSchema) -> AttainmentDetail:
    """Return the attainment with the options of several answers as levels of their column."""
    options = {
        part_name(column.name, option): {"column": column.name, "level": option}
        for column in schema.columns
        if column.kind == "multi"
        for option in column.level_values()
    }
    outcomes = [
        one.model_copy(update=options[one.column])
        if one.level == YES and one.column in options
        else one
        for one in detail.conditions
    ]
    return detail.model_copy(update={"conditions": outcomes})


def draw_chunk(plan: GenerationPlan, chunk: int, first: int, size: int) -> pa.Table:
    """Draw rows [first, first + size) in clean types; they are chunk number `chunk`."""
    rng = stream(plan.seed, ROW_STREAM, chunk)
    do = plan.do if plan.twins is None else None
    if plan.given is None or plan.picks is None:
        return plan.model.sample(size, rng, do=do)
    given = plan.given.take(pa.array(plan.picks[first : first + size]))
    return given if plan.complete else plan.model.sample(size, rng, given=given, do=do)


def stream(seed: int, *key: int) -> np.random.Generator:
    """Return the random numbers of one use in a generation."""
    return np.random.default_rng([seed, *key])

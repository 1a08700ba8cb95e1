"""Generation: rows under conditions and interventions, in chunks, as one deterministic plan that
shards share.

- No conditions: each chunk is drawn from the model with its own random stream, under do() where
  asked.
- Conditions: a pool of the conditioned columns is drawn (`pool`), `conditions.plan_rows` picks a
  pool row for every row of the table so that all asked shares are met to the row, and each chunk
  draws the other columns given its picks.
- Counterfactuals: rows are drawn as without do(), under the conditions, and each is followed by its
  twin under do().
- Conditions with do(): on columns that the intervention cannot change, they select the population
  before it, so those columns and all other non-descendants are drawn first, then do() is applied.
  On descendants of the intervention they select afterwards: full rows are drawn under do() and
  picked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_crds.contract.generation_conditions import FieldError, check_request
from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.schema import TableSchema
from simulacra_crds.contract.tasks import GenerateRequest
from simulacra_trainer.conditions import AttainmentDetail, plan_rows
from simulacra_trainer.cpus import threads
from simulacra_trainer.families.base import FittedModel
from simulacra_trainer.pipeline.conditioned_pool import draw_full_pool, draw_pool
from simulacra_trainer.pipeline.fit import TrainedModel
from simulacra_trainer.pipeline.identification import Identification, identify
from simulacra_trainer.survey_weights import row_weights
from simulacra_trainer.table.errors import InputError
from simulacra_trainer.table.output.restore import restore

CHUNK_ROWS = 65_536
MIN_POOL, MAX_POOL = 200_000, 1_000_000
POOL_STREAM, PLAN_STREAM, ROW_STREAM, OUTPUT_STREAM, TWIN_STREAM = range(5)
PAIR, WORLD = "pair", "world"
"""First columns of counterfactual tables, with underscores added to avoid a clash."""
WORLDS = ("factual", "counterfactual")


@dataclass(frozen=True)
class GenerationPlan:
    """What every shard of a generation shares.

    model: draws the rows; given: pool of values for its first columns, and picks int64 [rows] into
    it (None: no conditions); complete: the pool holds whole rows, nothing is left to draw; do:
    interventions, as coded by the clean types; attainment: how well the conditions are met (None:
    there are none); twins: makes the counterfactual row of each, and rows counts both (None: rows
    have none); identification: what do() rests on.
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
    identification: Identification | None = None


def plan_generation(trained: TrainedModel, request: GenerateRequest) -> GenerationPlan:
    """Decide everything that shards must agree on; deterministic for a request and a model.

    Raises:
        InputError: if the request does not fit the schema or the conditions have no support.
    """
    hold_against_schema(trained, request)
    rests_on = identify(trained, request)
    if request.counterfactual:
        pairs = request.model_copy(
            update={"row_count": request.row_count // 2, "interventions": {}}
        )
        facts, do = _plan(trained, pairs), dict(request.interventions)
        return replace(
            facts, rows=request.row_count, do=do, twins=trained.model, identification=rests_on
        )
    return replace(_plan(trained, request), identification=rests_on)


def _plan(trained: TrainedModel, request: GenerateRequest) -> GenerationPlan:
    n, seed, do = request.row_count, request.seed, dict(request.interventions)
    conditions = request.conditions
    if not conditions.columns():
        return GenerationPlan(n, seed, trained.model, do=do)
    rng = _stream(seed, POOL_STREAM)
    changed = {after for name in do for after in trained.graph.descendants(name)}
    if do and changed & set(conditions.columns()):
        pool = draw_full_pool(trained, conditions, do, min(max(MIN_POOL, 2 * n), MAX_POOL), rng)
        complete = True
    else:
        untouched = (
            [c for c in trained.model.columns if c not in changed and c not in do] if do else []
        )
        pool = draw_pool(
            trained, conditions, min(max(MIN_POOL, 2 * n), MAX_POOL), rng, then=untouched
        )
        complete = False
    plan = plan_rows(
        pool.table.select(conditions.columns()),
        conditions,
        n,
        _stream(seed, PLAN_STREAM),
        reference=trained.table,
        weights=row_weights(trained.table, trained.schema),
        drawn_inside=pool.lead,
    )
    return GenerationPlan(
        n, seed, pool.model, pool.table, plan.indices, complete, do, pool.corrected(plan.attainment)
    )


def hold_against_schema(trained: TrainedModel, request: GenerateRequest) -> None:
    """Hold a request against the model's schema. InputError with all that is wrong."""
    errors = check_request(
        request.conditions,
        request.interventions,
        trained.schema,
        counterfactual=request.counterfactual,
        rows=request.row_count,
    )
    if request.row_count < 1:
        errors.append(FieldError(pointer="/row_count", detail="at least 1 row must be asked for"))
    if errors:
        raise InputError(
            Reason.REQUEST_INVALID,
            "The request does not fit the schema of the dataset.",
            "; ".join(f"{error.pointer}: {error.detail}" for error in errors),
            errors[0].pointer,
        )


def shard_range(rows: int, shard: int, shards: int) -> tuple[int, int]:
    """Return which rows [start, stop) a shard writes."""
    return rows * shard // shards, rows * (shard + 1) // shards


def _untold(table: pa.Table) -> None:
    """Tell nobody."""


def generate_rows(
    trained: TrainedModel,
    plan: GenerationPlan,
    shard: int = 0,
    shards: int = 1,
    on_first: Callable[[pa.Table], None] = _untold,
) -> Iterator[pa.Table]:
    """Yield the rows of a shard, in order, restored to the upload's columns and types.

    `on_first` is given the first chunk of the whole plan in the clean types, before its rows are
    yielded; rows are in random order, so that it stands for all. Of pairs it is given the rows that
    are as drawn, without their twins.

    Chunks are cut from the whole plan, not from the shard, so a row does not depend on how many
    shards there are. Memory is bounded by a few chunks a thread.
    """
    start, stop = shard_range(plan.rows, shard, shards)

    def draw(chunk: int) -> pa.Table:
        first = chunk * CHUNK_ROWS
        size = min(CHUNK_ROWS, plan.rows - first)
        told = on_first if chunk == 0 else _untold
        if plan.twins is not None:
            table = _pairs(plan, trained.schema, chunk, first, size, told)
        else:
            drawn = _chunk(plan, chunk, first, size)
            told(drawn)
            table = restore(drawn, trained.schema, rng=_stream(plan.seed, OUTPUT_STREAM, chunk))
        begin = max(start - first, 0)
        return table.slice(begin, min(stop - first, size) - begin)

    ahead = threads()
    with ThreadPoolExecutor(ahead) as pool:
        waiting: deque[Future[pa.Table]] = deque()
        for chunk in range(start // CHUNK_ROWS, -(-stop // CHUNK_ROWS)):
            waiting.append(pool.submit(draw, chunk))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _pairs(
    plan: GenerationPlan,
    schema: TableSchema,
    chunk: int,
    first: int,
    size: int,
    on_facts: Callable[[pa.Table], None],
) -> pa.Table:
    """Return rows and twins in turn: pair number, world, then the upload's columns."""
    assert plan.twins is not None
    pairs = size // 2
    facts = _chunk(replace(plan, do=None), chunk, first // 2, pairs)
    on_facts(facts)
    twins = plan.twins.counterfactual(facts, plan.do or {}, _stream(plan.seed, TWIN_STREAM, chunk))
    # the same stream for both: a row and its twin have the same fresh identifier
    both = [
        restore(t, schema, rng=_stream(plan.seed, OUTPUT_STREAM, chunk)) for t in (facts, twins)
    ]
    in_turn = np.arange(2 * pairs).reshape(2, pairs).T.reshape(-1)
    table = pa.concat_tables(both).take(pa.array(in_turn))
    number = pa.array(np.repeat(first // 2 + np.arange(pairs), 2))
    world = pa.array(list(WORLDS) * pairs)
    for name, column in ((WORLD, world), (PAIR, number)):
        table = table.add_column(0, _free(name, table), column)
    return table


def _free(name: str, table: pa.Table) -> str:
    while name in table.column_names:
        name += "_"
    return name


def _chunk(plan: GenerationPlan, chunk: int, first: int, size: int) -> pa.Table:
    rng = _stream(plan.seed, ROW_STREAM, chunk)
    if plan.given is None or plan.picks is None:
        return plan.model.sample(size, rng, do=plan.do)
    given = plan.given.take(pa.array(plan.picks[first : first + size]))
    return given if plan.complete else plan.model.sample(size, rng, given=given, do=plan.do)


def _stream(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng([seed, *key])

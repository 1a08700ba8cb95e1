"""Generation of rows under conditions and interventions, in chunks of one plan that shards share.

- Without conditions, each chunk is drawn from the model with its own random stream, under do() if
  the request has interventions.
- Conditions: a pool of the conditioned columns is drawn (`conditioned_pool`), `plan_rows` picks a
  pool row for every row of the table so that all shares are met to the row, and each chunk draws
  the other columns given its picks.
- Counterfactuals: rows are drawn under the conditions without do(), and each is followed by its
  twin under do().
- Conditions with do(): on columns that the intervention cannot change, conditions select the
  population before it, so these columns and all other non-descendants are drawn first, then do() is
  applied. On descendants of the intervention they select afterwards: full rows are drawn under do()
  and picked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_crds.contract.generation_conditions import FieldError, check_request
from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.schema import YES, TableSchema, part_name
from simulacra_crds.contract.several_answers import expand_conditions
from simulacra_crds.contract.tasks import GenerateRequest
from simulacra_trainer.conditions import AttainmentDetail, plan_rows
from simulacra_trainer.cpus import threads
from simulacra_trainer.families.base import FittedModel
from simulacra_trainer.pipeline.conditioned_pool import draw_full_pool, draw_pool
from simulacra_trainer.pipeline.evidence import Evidence, weigh, with_weight
from simulacra_trainer.pipeline.identification import Identification, identify
from simulacra_trainer.pipeline.trained_model import TrainedModel
from simulacra_trainer.survey_weights import row_weights
from simulacra_trainer.table.errors import InputError
from simulacra_trainer.table.output.invented import RowSpan
from simulacra_trainer.table.output.restore import restore

CHUNK_ROWS = 65_536
MIN_POOL = 200_000
MAX_POOL = 1_000_000
POOL_STREAM, PLAN_STREAM, ROW_STREAM, OUTPUT_STREAM, TWIN_STREAM = range(5)
PAIR = "pair"
WORLD = "world"
"""First columns of counterfactual tables, with underscores added to avoid a clash."""
WORLDS = ("factual", "counterfactual")


@dataclass(frozen=True)
class GenerationPlan:
    """The plan that all shards of a generation share.

    Attributes:
        rows: of the whole table; twins count as rows.
        seed: of the request.
        model: draws the rows.
        given: pool of values for the first columns of the model; None without conditions.
        picks: the pool row of each row, int64 [rows].
        complete: the pool holds whole rows, so nothing is left to draw.
        do: interventions, as coded by the clean types.
        attainment: how well the conditions are met; None without conditions.
        twins: draws the counterfactual twin of each row; None without twins.
        identification: whether do() is identified; None without interventions.
        evidence: what the rows are worth; None if the request asks for no weights.
        held: columns under a condition or do().
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
    evidence: Evidence | None = None
    held: frozenset[str] = frozenset()


def plan_generation(trained: TrainedModel, request: GenerateRequest) -> GenerationPlan:
    """Plan a generation; the same request and model give the same plan.

    Raises:
        InputError: the request does not match the schema, or the conditions have no support.
    """
    _check_request(trained, request)
    request = with_options(request, trained.schema)
    identification = identify(trained, request)
    held = frozenset([*request.conditions.columns(), *request.interventions])
    if not request.counterfactual:
        plan = _plan(trained, request)
        evidence = weigh(trained, request, plan.attainment, plan.given, plan.picks)
        return replace(plan, identification=identification, evidence=evidence, held=held)
    changes = {"row_count": request.row_count // 2, "interventions": {}}
    plan = _plan(trained, request.model_copy(update=changes))
    return replace(
        plan,
        rows=request.row_count,
        do=dict(request.interventions),
        twins=trained.model,
        identification=identification,
        evidence=weigh(trained, request, plan.attainment, plan.given, plan.picks),
        held=held,
    )


def with_options(request: GenerateRequest, schema: TableSchema) -> GenerateRequest:
    """Return the request with conditions on several answers as conditions on their options."""
    conditions = expand_conditions(request.conditions, schema)
    return request.model_copy(update={"conditions": conditions})


def _plan(trained: TrainedModel, request: GenerateRequest) -> GenerationPlan:
    n = request.row_count
    seed = request.seed
    do = dict(request.interventions)
    conditions = request.conditions
    if not conditions.columns():
        return GenerationPlan(n, seed, trained.model, do=do)
    rng = _stream(seed, POOL_STREAM)
    changed = {after for name in do for after in trained.graph.descendants(name)}
    pool_rows = min(max(MIN_POOL, 2 * n), MAX_POOL)
    # Computed columns follow from the others, so a pool that meets conditions on them has all.
    changed |= {relation.column for relation in trained.schema.computed()}
    complete = bool(changed & set(conditions.columns()))
    if complete:
        pool = draw_full_pool(trained, conditions, do, pool_rows, rng)
    else:
        fixed = changed | set(do)
        unchanged = [c for c in trained.model.columns if c not in fixed] if do else []
        pool = draw_pool(trained, conditions, pool_rows, rng, then=unchanged)
    plan = plan_rows(
        pool.table.select(conditions.columns()),
        conditions,
        n,
        _stream(seed, PLAN_STREAM),
        reference=trained.table,
        weights=row_weights(trained.table, trained.schema),
        drawn_inside=pool.lead,
    )
    attainment = _by_option(pool.corrected(plan.attainment), trained.schema)
    return GenerationPlan(n, seed, pool.model, pool.table, plan.indices, complete, do, attainment)


def _by_option(detail: AttainmentDetail, schema: TableSchema) -> AttainmentDetail:
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


def _check_request(trained: TrainedModel, request: GenerateRequest) -> None:
    """Raise an InputError with everything in the request that does not match the schema."""
    errors = check_request(
        request.conditions,
        request.interventions,
        trained.schema,
        counterfactual=request.counterfactual,
        rows=request.row_count,
    )
    if request.row_count < 1:
        errors.append(FieldError(pointer="/row_count", detail="Must be at least 1."))
    if errors:
        raise InputError(
            Reason.REQUEST_INVALID,
            "The request does not match the schema of the dataset.",
            "; ".join(f"{error.pointer}: {error.detail}" for error in errors),
            errors[0].pointer,
        )


def shard_range(rows: int, shard: int, shards: int) -> tuple[int, int]:
    """Return the rows [start, stop) of a shard."""
    return rows * shard // shards, rows * (shard + 1) // shards


def generate_rows(
    trained: TrainedModel,
    plan: GenerationPlan,
    shard: int = 0,
    shards: int = 1,
    on_first: Callable[[pa.Table], None] = lambda _: None,
) -> Iterator[pa.Table]:
    """Yield the rows of a shard, in order, restored to the upload's columns and types.

    The evidence weight, if asked for, is the last column.

    `on_first` receives the first chunk of the whole plan in clean types, without twins, before its
    rows are yielded. Rows are in random order, so this chunk represents all of them.

    Chunks are cut from the whole plan, so rows do not depend on the number of shards. Memory is
    bounded by a few chunks per thread.
    """
    start, stop = shard_range(plan.rows, shard, shards)

    def draw(chunk: int) -> pa.Table:
        first = chunk * CHUNK_ROWS
        size = min(CHUNK_ROWS, plan.rows - first)
        pairs = 1 if plan.twins is None else 2
        drawn = _chunk(plan, chunk, first // pairs, size // pairs)
        if chunk == 0:
            on_first(drawn)
        if plan.twins is None:
            table = _restored(trained, plan, chunk, drawn)
        else:
            table = _with_twins(trained, plan, plan.twins, chunk, drawn)
        begin = max(start - first, 0)
        return with_weight(table, plan.evidence).slice(begin, min(stop - first, size) - begin)

    ahead = threads()
    with ThreadPoolExecutor(ahead) as pool:
        waiting: deque[Future[pa.Table]] = deque()
        for chunk in range(start // CHUNK_ROWS, -(-stop // CHUNK_ROWS)):
            waiting.append(pool.submit(draw, chunk))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def reporting(
    tables: Iterable[pa.Table], rows: int, progress: Callable[[float], None]
) -> Iterator[pa.Table]:
    """Yield the tables of `generate_rows`; report the share of the chunks of all rows so far."""
    chunks = max(-(-rows // CHUNK_ROWS), 1)
    for done, table in enumerate(tables, 1):
        progress(min(done / chunks, 1.0))
        yield table


def _restored(trained: TrainedModel, plan: GenerationPlan, chunk: int, rows: pa.Table) -> pa.Table:
    """Return the rows of a chunk in the layout of the upload."""
    pairs = 1 if plan.twins is None else 2
    span = RowSpan(chunk * CHUNK_ROWS // pairs, plan.rows // pairs, plan.seed)
    rng = _stream(plan.seed, OUTPUT_STREAM, chunk)
    real = trained.real_values
    return restore(rows, trained.schema, rng=rng, span=span, real=real, held=plan.held)


def _with_twins(
    trained: TrainedModel, plan: GenerationPlan, model: FittedModel, chunk: int, facts: pa.Table
) -> pa.Table:
    """Return each row followed by its twin: pair number, world, then the upload's columns."""
    pairs = facts.num_rows
    twins = model.counterfactual(facts, plan.do or {}, _stream(plan.seed, TWIN_STREAM, chunk))
    # The same stream for both: a row and its twin have the same invented values.
    both = [_restored(trained, plan, chunk, rows) for rows in (facts, twins)]
    alternating = np.arange(2 * pairs).reshape(2, pairs).T.reshape(-1)
    table = pa.concat_tables(both).take(pa.array(alternating))
    number = pa.array(np.repeat(chunk * CHUNK_ROWS // 2 + np.arange(pairs), 2))
    world = pa.array(list(WORLDS) * pairs)
    for name, column in ((WORLD, world), (PAIR, number)):
        while name in table.column_names:
            name += "_"
        table = table.add_column(0, name, column)
    return table


def _chunk(plan: GenerationPlan, chunk: int, first: int, size: int) -> pa.Table:
    rng = _stream(plan.seed, ROW_STREAM, chunk)
    do = plan.do if plan.twins is None else None
    if plan.given is None or plan.picks is None:
        return plan.model.sample(size, rng, do=do)
    given = plan.given.take(pa.array(plan.picks[first : first + size]))
    return given if plan.complete else plan.model.sample(size, rng, given=given, do=do)


def _stream(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng([seed, *key])

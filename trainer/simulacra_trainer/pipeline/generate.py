"""Generation of rows under conditions and interventions, in chunks of one plan that shards share.

- Rows: `row_plan` says how they are drawn.
- Counterfactuals: rows are drawn under the conditions without do(), and each is followed by its
  twin under do(), whose changes are measured where they can be (`pair_changes`).
- Linked rows: persons are drawn as rows are, then their histories (`linked_rows`).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pyarrow as pa

from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_intake.output.invented import RowSpan
from simulacra_intake.output.restore import restore
from simulacra_schema.conditions import value_in
from simulacra_schema.faults import Wrong
from simulacra_schema.formats.file_labels import Declared
from simulacra_schema.several_answers import expand_conditions
from simulacra_schema.table import TableSchema
from simulacra_trainer.cpus import threads
from simulacra_trainer.effects.pairs.changes import PairChanges, fit_changes
from simulacra_trainer.families.base import FittedModel
from simulacra_trainer.pipeline.evidence import Evidence, weigh, with_weight
from simulacra_trainer.pipeline.identification import (
    Identification,
    identify,
    reliability_words,
    support_of,
    with_reliability,
)
from simulacra_trainer.pipeline.linked_rows import (
    LinkedPlan,
    draw_persons,
    plan_linked,
    rows_of_persons,
)
from simulacra_trainer.pipeline.row_plan import (
    CHUNK_ROWS,
    OUTPUT_STREAM,
    TWIN_STREAM,
    GenerationPlan,
    draw_chunk,
    plan_sampling,
    stream,
)
from simulacra_trainer.rules.plan import refuse_broken, refuse_unique, rules_named
from simulacra_trainer.segments.next_wave import nowcast_worth
from simulacra_trainer.trained_model import TrainedModel

PAIR = "pair"
WORLD = "world"
"""First columns of counterfactual tables, with underscores added to avoid a clash."""
WORLDS = ("factual", "counterfactual")
NO_ROWS = Wrong("no rows", "Must be at least 1.")
Plan = GenerationPlan | LinkedPlan


def plan_generation(
    trained: TrainedModel,
    request: GenerateRequest,
    known: Evidence | None = None,
    identified: Identification | None = None,
) -> Plan:
    """Plan a generation; the same request and model give the same plan.

    known, identified: the worth of the rows, and what do() rests on, if another shard found them.

    Raises:
        InputError: the request does not match the schema, or the conditions have no support.
    """
    _check_request(trained, request)
    refuse_unique(request, trained.schema)
    request = with_options(request, trained.schema)
    # It refuses what its estimate did not give.
    nowcast = nowcast_worth(trained, request.conditions)
    held = [*request.conditions.columns(), *request.interventions]
    with rules_named(trained.schema, held):
        return _plan_checked(trained, request, known, identified, nowcast)


def _plan_checked(
    trained: TrainedModel,
    request: GenerateRequest,
    known: Evidence | None,
    identified: Identification | None,
    nowcast: float | None,
) -> Plan:
    """Plan a checked request; nowcast: what rows of the next wave are worth."""
    # Rows first: what no row can meet is refused before respondents are counted.
    plan: Plan
    if request.persons is not None:
        plan = plan_linked(trained, request)
    elif request.counterfactual:
        halved = {"row_count": request.row_count // 2, "interventions": {}}
        facts = plan_sampling(trained, request.model_copy(update=halved))
        do = dict(request.interventions)
        plan = replace(facts, rows=request.row_count, do=do, twins=trained.model)
    else:
        plan = plan_sampling(trained, request)
    is_known = identified is not None and (known is not None or not request.evidence)
    support = None if is_known else support_of(trained, request)
    identification = identified if support is None else identify(trained, request, support)
    held = frozenset([*request.conditions.columns(), *request.interventions])
    if isinstance(plan, LinkedPlan):
        sized = request.model_copy(update={"row_count": plan.rows})
        evidence = known or weigh(trained, sized, None, None)
    else:
        evidence = known or weigh(trained, request, plan, support, nowcast)
        if plan.twins is not None and plan.do:
            changes = _measured_changes(trained, identification, plan.do, request.seed)
            identification = with_reliability(identification, changes)
            plan = replace(plan, changes=changes)
    return replace(plan, identification=identification, evidence=evidence, held=held)


def _measured_changes(
    trained: TrainedModel, found: Identification | None, do: Mapping[str, float | str], seed: int
) -> PairChanges | None:
    """Return the measured changes of pairs; None where the verdict claims nothing of single rows.

    Nor of a private model, whose table may not be asked again.
    """
    is_private = trained.report.get("differential_privacy") is not None
    if found is None or not found.is_answered or is_private:
        return None
    model, table, schema, graph = trained.model, trained.table, trained.schema, trained.graph
    return fit_changes(model, table, schema, graph, do, seed=seed)


def with_options(request: GenerateRequest, schema: TableSchema) -> GenerateRequest:
    """Return the request with conditions on several answers as conditions on their options.

    Interventions are the numbers and levels that they name.
    """
    conditions = expand_conditions(request.conditions, schema)
    do = {name: value_in(one, schema.column(name)) for name, one in request.interventions.items()}
    return request.model_copy(update={"conditions": conditions, "interventions": do})


def _check_request(trained: TrainedModel, request: GenerateRequest) -> None:
    """Raise an InputError with everything in the request that does not match the schema."""
    errors = request.faults(trained.schema)
    if request.persons is None and request.row_count < 1:
        errors.append(NO_ROWS.at("row_count"))
    if errors:
        raise InputError(
            Reason.REQUEST_INVALID,
            f"The request does not match the schema of the dataset: {errors[0].brief}.",
            "; ".join(f"{error.pointer}: {error.detail}" for error in errors),
            errors[0].pointer,
        )


def shard_range(rows: int, shard: int, shards: int) -> tuple[int, int]:
    """Return the rows [start, stop) of a shard."""
    return rows * shard // shards, rows * (shard + 1) // shards


def generate_rows(
    trained: TrainedModel,
    plan: Plan,
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
    if isinstance(plan, LinkedPlan):
        yield from _linked_rows(trained, plan, shard_range(plan.ends.size, shard, shards), on_first)
        return
    start, stop = shard_range(plan.rows, shard, shards)

    def draw(chunk: int) -> pa.Table:
        first = chunk * CHUNK_ROWS
        size = min(CHUNK_ROWS, plan.rows - first)
        pairs = 1 if plan.twins is None else 2
        drawn = draw_chunk(plan, chunk, first // pairs, size // pairs)
        refuse_broken(drawn, trained.schema, plan.held)
        if chunk == 0:
            on_first(drawn)
        if plan.twins is None:
            table = _restored(trained, plan, chunk, drawn)
        else:
            table = _with_twins(trained, plan, plan.twins, chunk, drawn)
        begin = max(start - first, 0)
        return with_weight(table, plan.evidence).slice(begin, min(stop - first, size) - begin)

    yield from _drawn_ahead(draw, range(start // CHUNK_ROWS, -(-stop // CHUNK_ROWS)))


def _linked_rows(
    trained: TrainedModel,
    plan: LinkedPlan,
    persons: tuple[int, int],
    on_first: Callable[[pa.Table], None],
) -> Iterator[pa.Table]:
    """Yield the rows of persons [start, stop), cut from chunks of whole persons."""
    start, stop = persons

    def draw(chunk: int) -> pa.Table:
        rows = draw_persons(trained, plan, chunk, on_first if chunk == 0 else lambda _: None)
        first, last = plan.chunks[chunk]
        begin, end = rows_of_persons(plan, max(start, first), min(stop, last))
        offset = rows_of_persons(plan, first, last)[0]
        return with_weight(rows, plan.evidence).slice(begin - offset, end - begin)

    inside = [i for i, (first, last) in enumerate(plan.chunks) if first < stop and last > start]
    yield from _drawn_ahead(draw, inside)


def _drawn_ahead(draw: Callable[[int], pa.Table], chunks: Iterable[int]) -> Iterator[pa.Table]:
    """Yield the chunks in order, while threads draw the next ones."""
    ahead = threads()
    with ThreadPoolExecutor(ahead) as pool:
        waiting: deque[Future[pa.Table]] = deque()
        for chunk in chunks:
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
    rng = stream(plan.seed, OUTPUT_STREAM, chunk)
    real = trained.real_values
    table = restore(rows, trained.schema, rng=rng, span=span, real=real, held=plan.held)
    if plan.next_wave is None:
        return table
    at = table.column_names.index(plan.next_wave)
    field = table.schema.field(at)
    return table.set_column(at, field, pa.nulls(table.num_rows, field.type))


def _with_twins(
    trained: TrainedModel, plan: GenerationPlan, model: FittedModel, chunk: int, facts: pa.Table
) -> pa.Table:
    """Return each row followed by its twin: pair number, world, then the upload's columns."""
    pairs = facts.num_rows
    rng = stream(plan.seed, TWIN_STREAM, chunk)
    twins = model.counterfactual(facts, plan.do or {}, rng)
    if plan.changes is not None:
        twins = plan.changes.applied(facts, twins, rng)
    refuse_broken(twins, trained.schema, plan.held)
    # The same stream for both: a row and its twin have the same invented values.
    both = [_restored(trained, plan, chunk, rows) for rows in (facts, twins)]
    alternating = np.arange(2 * pairs).reshape(2, pairs).T.reshape(-1)
    table = pa.concat_tables(both).take(pa.array(alternating))
    number = pa.array(np.repeat(chunk * CHUNK_ROWS // 2 + np.arange(pairs), 2))
    world = pa.array(list(WORLDS) * pairs)
    found = plan.identification
    for name, column in ((WORLD, world), (PAIR, number)):
        while name in table.column_names:
            name += "_"
        field = pa.field(name, column.type)
        if column is world and found is not None and found.reliability is not None:
            field = Declared(label=reliability_words(found.reliability)).on(field)
        table = table.add_column(0, field, column)
    return table

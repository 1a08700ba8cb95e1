"""Generation of linked rows: persons under conditions and do(), then the history of each.

Persons are planned and drawn as rows are (`row_plan`), from the model of the subject table. Chunks
hold whole persons and have random streams of their own, so rows do not depend on the number of
shards, and a person is in one shard. A person has one set of invented values in all its rows.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import GenerateRequest
from simulacra_intake.errors import invalid_request
from simulacra_intake.output.invented import RowSpan
from simulacra_intake.output.restore import restore
from simulacra_intake.rows_of_persons import persons_in
from simulacra_schema.formats.file_labels import with_sets
from simulacra_schema.questions.rows import MAX_ROWS
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.conditions import AttainmentDetail
from simulacra_trainer.graph import CausalGraph
from simulacra_trainer.linked.history import MARK, Ints
from simulacra_trainer.linked.model import LinkedModel
from simulacra_trainer.linked.tables import MIN_LINKED_PERSONS
from simulacra_trainer.pipeline.evidence import Evidence
from simulacra_trainer.pipeline.identification import Identification
from simulacra_trainer.pipeline.row_plan import (
    CHUNK_ROWS,
    HISTORY_STREAM,
    OUTPUT_STREAM,
    by_option,
    draw_chunk,
    plan_sampling,
    stream,
)
from simulacra_trainer.relations.compute import with_computed, without_computed
from simulacra_trainer.relations.differences import from_differences
from simulacra_trainer.rules.check import applicable, rules_of
from simulacra_trainer.rules.plan import refuse_broken
from simulacra_trainer.rules.settle import rounded, settled
from simulacra_trainer.trained_model import TrainedModel

OF_ROWS = ("url", "ip", "mac")
"""Personal data that may differ between the rows of a person."""
NOT_LINKED = "The model has no linked rows: it was fit before they existed. Fit it again."
NOTHING_VARIES = (
    "The model has no linked rows: each column is the same in all rows of a person. Leave out "
    "persons to draw single rows."
)
TOO_FEW = (
    f"The model has no linked rows: the data have fewer than {MIN_LINKED_PERSONS} persons. Leave "
    "out persons to draw single rows."
)


@dataclass(frozen=True)
class LinkedPlan:
    """The plan that all shards of a generation of linked rows share.

    Attributes:
        rows: of the whole table.
        model: draws the histories.
        subjects: the persons, as the model of the subject table draws them.
        ends: rows of the persons up to and with each, int64 [persons].
        do: interventions on attributes.
        attainment: how well persons meet the conditions; None without conditions.
        identification: whether do() is identified; None without interventions.
        evidence: what the rows are worth, which is not measured; None if it is not asked for.
        held: columns under a condition or do().
    """

    rows: int
    seed: int
    model: LinkedModel
    subjects: pa.Table
    ends: Ints
    do: Mapping[str, float | str]
    attainment: AttainmentDetail | None = None
    identification: Identification | None = None
    evidence: Evidence | None = None
    held: frozenset[str] = frozenset()

    @property
    def chunks(self) -> list[tuple[int, int]]:
        """Persons [start, stop) of each chunk, which has about CHUNK_ROWS rows."""
        starts = np.concatenate([[0], self.ends[:-1]]) // CHUNK_ROWS
        cuts = [0, *(np.flatnonzero(np.diff(starts)) + 1).tolist(), self.ends.size]
        return list(itertools.pairwise(cuts))


def plan_linked(trained: TrainedModel, request: GenerateRequest) -> LinkedPlan:
    """Plan the persons of a checked request.

    Raises:
        InputError: the model has no linked rows, the conditions have no support, or the persons
            have more rows than a table may have.
    """
    linked = trained.linked
    if linked is None:
        why = _why_not_linked(trained)
        raise invalid_request(why, pointer="/persons")
    persons = request.persons or 0
    changes = {"row_count": persons, "persons": None, "evidence": False}
    plan = plan_sampling(_of_subjects(trained, linked), request.model_copy(update=changes))
    wanted = [c.name for c in linked.tables.subject_schema.learned()]
    drawn = [
        draw_chunk(plan, chunk, first, min(CHUNK_ROWS, persons - first)).select(wanted)
        for chunk, first in enumerate(range(0, persons, CHUNK_ROWS))
    ]
    subjects = pa.concat_tables(drawn).combine_chunks()
    ends = np.cumsum(linked.rows_of(subjects))
    if ends[-1] > MAX_ROWS:
        fewer = int(persons * MAX_ROWS / ends[-1])
        message = f"These persons have more than {MAX_ROWS:,} rows. Ask for {fewer:,} persons."
        raise invalid_request(message, pointer="/persons")
    attainment = plan.attainment and by_option(plan.attainment, trained.schema)
    do = dict(request.interventions)
    return LinkedPlan(int(ends[-1]), request.seed, linked, subjects, ends, do, attainment)


def draw_persons(
    trained: TrainedModel,
    plan: LinkedPlan,
    chunk: int,
    on_drawn: Callable[[pa.Table], None] = lambda _: None,
) -> pa.Table:
    """Return all rows of a chunk in the layout of the upload.

    on_drawn: receives them in clean types.
    """
    first, stop = plan.chunks[chunk]
    subjects = plan.subjects.slice(first, stop - first)
    events, who = plan.model.histories(subjects, stream(plan.seed, HISTORY_STREAM, chunk), plan.do)
    rows = events
    for name in plan.model.tables.attributes:
        rows = rows.append_column(name, subjects.column(name).take(pa.array(who)))
    rows = with_computed(from_differences(rows, trained.schema), trained.schema)
    rows = _ruled(rows, plan, trained.schema)
    on_drawn(rows)
    rng = stream(plan.seed, OUTPUT_STREAM, chunk)
    of_persons, of_rows = _split(trained.schema)
    real, held = trained.real_values, plan.held
    begin = int(plan.ends[first - 1]) if first else 0
    persons = RowSpan(first, plan.ends.size, plan.seed)
    span = RowSpan(begin, plan.rows, plan.seed)
    once = restore(subjects, of_persons, rng=rng, span=persons, real=real, held=held)
    each = restore(rows, of_rows, rng=rng, span=span, real=real, held=held)
    return _beside(once.take(pa.array(who)), each, trained.schema)


def _ruled(rows: pa.Table, plan: LinkedPlan, schema: TableSchema) -> pa.Table:
    """Return rows that hold the rules; attributes and the order of a person's rows stay.

    InputError if a condition or do() contradicts a rule.
    """
    rules = applicable(rules_of(schema), rows.column_names)
    if not rules:
        return rows
    axis = plan.model.tables.axis
    fixed = {*plan.model.tables.attributes, *plan.held, *([axis.name] if axis else ())}
    rows = settled(rounded(rows, rules, schema, fixed), rules, schema, fixed)
    refuse_broken(rows, schema, plan.held)
    return rows


def rows_of_persons(plan: LinkedPlan, first: int, stop: int) -> tuple[int, int]:
    """Return the rows [start, stop) of persons [first, stop)."""
    bounds = np.concatenate([[0], plan.ends])
    return int(bounds[first]), int(bounds[stop])


def _why_not_linked(trained: TrainedModel) -> str:
    """Return why a model has no linked rows."""
    if all(column.per_person for column in without_computed(trained.schema).learned()):
        return NOTHING_VARIES
    persons = persons_in(trained.table, trained.schema)
    few = persons is not None and np.unique(persons).size < MIN_LINKED_PERSONS
    return TOO_FEW if few else NOT_LINKED


def _of_subjects(trained: TrainedModel, linked: LinkedModel) -> TrainedModel:
    """Return the model of the subject table as a trained model of its own."""
    tables = linked.tables
    graph = _subject_graph(trained.graph, tables.attributes, tables.subject_schema)
    return TrainedModel(
        linked.subjects, trained.family, tables.subjects, tables.subject_schema, graph
    )


def _subject_graph(graph: CausalGraph, attributes: list[str], schema: TableSchema) -> CausalGraph:
    """Return the graph of the attributes; the number of rows and the start depend on all."""
    order = [name for name in graph.order if name in set(attributes)]
    parents = {name: [a for a in graph.ancestors(name) if a in set(attributes)] for name in order}
    for column in schema.learned():
        if column.name.startswith(MARK):
            parents[column.name] = list(order)
    return graph.model_copy(update={"order": list(parents), "parent_lists": parents})


def _split(schema: TableSchema) -> tuple[TableSchema, TableSchema]:
    """Return the schema of what is the same in all rows of a person, and that of the rest."""
    follow = schema.following()
    once = [c for c in schema.columns if _is_of_persons(c) and c.name not in follow]
    names = {column.name for column in once}
    rest = [column for column in schema.columns if column.name not in names]
    once = [
        # Every synthetic person has a number, also where the upload names none.
        c.model_copy(update={"missing_share": 0.0}) if c.role == "subject" else c
        for c in once
    ]
    return (
        schema.model_copy(update={"columns": once, "sets": []}),
        schema.model_copy(update={"columns": rest, "sets": []}),
    )


def _is_of_persons(column: ColumnSchema) -> bool:
    if column.learned:
        return bool(column.per_person)
    if column.role == "subject":
        return True
    return column.personal_data is not None and column.personal_data not in OF_ROWS


def _beside(once: pa.Table, each: pa.Table, schema: TableSchema) -> pa.Table:
    """Return the columns of both tables in the order of the upload."""
    found = {
        name: (part.schema.field(name), part.column(name))
        for part in (once, each)
        for name in part.column_names
    }
    ordered = [found[column.name] for column in schema.columns if column.name in found]
    fields = with_sets(pa.schema([field for field, _ in ordered]), schema.sets)
    return pa.Table.from_arrays([values for _, values in ordered], schema=fields)

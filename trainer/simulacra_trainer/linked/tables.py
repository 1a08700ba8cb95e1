"""The two tables that linked rows are learned from: subjects and events.

A row of the subject table is a person: the columns that are constant within persons, where the
history starts, and its number of rows. A row of the events table is a row of the upload: the
attributes of its person, its position, what the person's earlier rows say (`linked.history`), the
step in time from the row before, and the columns that vary. Both follow from the clean table, so
they are not stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from simulacra_intake.rows_of_persons import MIN_PERSONS, limits_of_persons, persons_in
from simulacra_schema.table import COMPUTED, ColumnSchema, TableSchema
from simulacra_trainer.families.codec import Floats
from simulacra_trainer.linked.history import MARK, History, Ints
from simulacra_trainer.linked.time_axis import TimeAxis, find_axis
from simulacra_trainer.relations.compute import without_computed
from simulacra_trainer.relations.differences import as_differences

MAX_ROWS_A_PERSON = 1_000
MIN_LINKED_PERSONS = 10
"""Persons from which on linked rows are learned."""
MAX_ROWS = 100_000
"""Rows that linked rows are learned from; of more, whole persons are chosen at random."""
ROWS, START, POSITION, STEP = (MARK + name for name in ("rows", "start", "position", "step"))


@dataclass(frozen=True)
class LinkedTables:
    """Subjects and events of a clean table, with what gives the one from the other.

    Attributes:
        subjects: a row a person; attributes, START (with an axis), ROWS.
        events: the rows of the persons one after another, in order.
        who: of each event, the row of its person in `subjects`, int64 [events].
        subject_schema, event_schema: of what is learned in each.
        history: remembers the event columns.
        axis: the column that orders rows; None if their order in the upload does.
    """

    subjects: pa.Table
    events: pa.Table
    who: Ints
    subject_schema: TableSchema
    event_schema: TableSchema
    history: History
    axis: TimeAxis | None

    @property
    def attributes(self) -> list[str]:
        """Names of the columns that are constant within persons."""
        return [c.name for c in self.subject_schema.learned() if not c.name.startswith(MARK)]

    @property
    def varying(self) -> list[str]:
        """Names of the columns that vary within persons, with the axis."""
        return list(self.history.columns)

    @property
    def causes(self) -> list[str]:
        """Columns of the events table that are known before a row is drawn."""
        drawn = {STEP, *self.varying}
        return [c.name for c in self.event_schema.learned() if c.name not in drawn]

    def of_persons(self, chosen: Ints) -> LinkedTables:
        """Return the tables of some persons, given as rows of `subjects`, ascending."""
        place = np.full(self.subjects.num_rows, -1)
        place[chosen] = np.arange(chosen.size)
        kept = np.flatnonzero(place[self.who] >= 0)
        return replace(
            self,
            subjects=self.subjects.take(pa.array(chosen)),
            events=self.events.take(pa.array(kept)).combine_chunks(),
            who=place[self.who[kept]],
        )


def linked_tables(table: pa.Table, schema: TableSchema) -> LinkedTables | None:
    """Return the tables of linked rows; None without a subject or without columns that vary.

    Computed columns are left out; bounds between numbers are kept.
    """
    learned = without_computed(schema)
    persons = persons_in(table, schema)
    columns = [c for c in learned.columns if c.learned]
    if persons is None or all(c.per_person is None for c in columns):
        return None
    varying = [part for c in columns if not c.per_person for part in c.parts()]
    attributes = [part for c in columns if c.per_person for part in c.parts()]
    if not varying:
        return None
    axis = find_axis(table, schema)
    table = as_differences(table, schema)
    rows, who, first = _ordered(table, persons, axis)
    table = table.take(pa.array(rows)).combine_chunks()
    begins = np.flatnonzero(first == np.arange(first.size))
    history = History(table, varying, axis.name if axis is not None else None)
    counts = _inside(np.bincount(who).astype(np.float64), np.arange(begins.size))
    beside = [c.name for c in schema.columns if c.kind == "weight" or c.role == "subject"]
    of_persons = table.select([*(c.name for c in attributes), *beside]).take(pa.array(begins))
    of_rows = {name: table.column(name) for name in [*(c.name for c in attributes), *beside]}
    of_rows |= {
        ROWS: whole_numbers(counts[who]),
        POSITION: whole_numbers(np.arange(first.size) - first),
    }
    of_rows |= history.of_rows(table, first)
    inner = [_number(ROWS)]
    steps: list[ColumnSchema] = []
    if axis is not None:
        places = axis.places(table.column(axis.name))
        step = np.where(first == np.arange(first.size), np.nan, np.diff(places, prepend=np.nan))
        known = ~np.isnan(step)
        step[known] = _inside(step[known], who[known])
        of_rows[STEP] = whole_numbers(step)
        of_persons = of_persons.append_column(START, whole_numbers(places[begins]))
        inner.insert(0, _number(START))
        steps.append(_number(STEP))
    of_persons = of_persons.append_column(ROWS, whole_numbers(counts))
    of_rows |= {c.name: table.column(c.name) for c in varying}
    extra = [c for c in schema.columns if c.name in beside]
    causes = [*attributes, _number(ROWS), _number(POSITION), *history.schemas()]
    return LinkedTables(
        subjects=of_persons.combine_chunks(),
        events=pa.table(of_rows).combine_chunks(),
        who=who,
        subject_schema=_schema(schema, [*attributes, *inner, *extra], begins.size),
        event_schema=_schema(schema, [*causes, *steps, *varying, *extra], who.size),
        history=history,
        axis=axis,
    )


def _ordered(table: pa.Table, persons: Ints, axis: TimeAxis | None) -> tuple[Ints, Ints, Ints]:
    """Return the rows, person by person in order, their persons from 0 on, their first rows."""
    rng = np.random.default_rng(persons.size)
    counts = np.minimum(np.bincount(persons), MAX_ROWS_A_PERSON)
    order = rng.permutation(counts.size)
    chosen = np.zeros(counts.size, np.bool_)
    chosen[order[: max(int(np.searchsorted(np.cumsum(counts[order]), MAX_ROWS, "right")), 1)]] = (
        True
    )
    places = np.zeros(persons.size) if axis is None else axis.places(table.column(axis.name))
    rows = np.lexsort((places, persons))  # stable: ties stay in the order of the upload
    rows = rows[chosen[persons[rows]]]
    first = first_rows(persons[rows])
    rows = rows[np.arange(rows.size) - first < MAX_ROWS_A_PERSON]
    who = np.unique(persons[rows], return_inverse=True)[1].reshape(-1)
    return rows, who, first_rows(who)


def first_rows(who: Ints) -> Ints:
    """Return the first row of the person of each row, int64 [n]; the rows of a person together."""
    begins = np.append(True, who[1:] != who[:-1])
    return np.maximum.accumulate(np.where(begins, np.arange(who.size), 0))


def _inside(values: Floats, persons: Ints) -> Floats:
    """Return the values with those of the most extreme persons moved to the fifth person's."""
    if not values.size:
        return values
    low, high = limits_of_persons(values, persons, MIN_PERSONS)
    return np.clip(values, min(low, high), max(low, high))


def _number(name: str) -> ColumnSchema:
    return ColumnSchema(name=name, kind="integer", storage="int64")


def whole_numbers(values: Floats | Ints) -> pa.Array:
    """Return whole numbers as a column; NaN is missing."""
    missing = np.isnan(values)
    return pa.array(np.where(missing, 0, values).astype(np.int64), mask=missing)


def _schema(schema: TableSchema, columns: Sequence[ColumnSchema], rows: int) -> TableSchema:
    names = {column.name for column in columns}
    names -= {bound.by_difference for bound in schema.differences()}
    kept = [
        relation
        for relation in schema.relations
        if relation.kind not in COMPUTED and {relation.column, *relation.of} <= names
    ]
    rules = [one for one in schema.rules if names.issuperset(one.rule.columns())]
    return TableSchema(
        rows=rows, columns=list(columns), relations=kept, rules=rules
    ).without_codes()

"""The model of linked rows: forests of subjects, of their first events and of all events.

A person's first row has no history, so it alone shows what groups of persons differ in; later rows
follow from it. In a forest of all events a split must gain its price for all rows of a person, and
what first rows tell is not enough for that. Among first rows a person has one, as in the subjects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats
from simulacra_schema.table import TableSchema
from simulacra_trainer.families.base import FittedModel, ModelFileError
from simulacra_trainer.families.forest import FOREST, GIVEN, INDEPENDENT, METHODS, ForestModel
from simulacra_trainer.families.forest.samplers import Method
from simulacra_trainer.families.forest.samplers.stored import OUTLINE
from simulacra_trainer.linked.history import MARK, Ints, Running
from simulacra_trainer.linked.smoothing import with_smooth_numbers
from simulacra_trainer.linked.tables import (
    MAX_ROWS_A_PERSON,
    POSITION,
    ROWS,
    START,
    STEP,
    LinkedTables,
    linked_tables,
    whole_numbers,
)
from simulacra_trainer.relations.plan import with_relations

SUBJECTS, FIRST, EVENTS = "subjects-", "first-", "events-"
"""Begin the names of the files of each forest."""
Methods = tuple[Mapping[str, Method], Mapping[str, Method], Mapping[str, Method]]
Do = Mapping[str, float | str]


@dataclass(frozen=True)
class LinkedModel:
    """Draws persons, then their rows one position after another for all of them at once."""

    tables: LinkedTables
    subject_forest: ForestModel
    event_forest: ForestModel
    first_forest: ForestModel

    @property
    def subjects(self) -> FittedModel:
        """The model of the subject table."""
        return with_relations(self.subject_forest, self.tables.subject_schema)

    @property
    def methods(self) -> Methods:
        """Methods of the columns of each forest."""
        forests = self.subject_forest, self.event_forest, self.first_forest
        subjects, events, first = (forest.methods for forest in forests)
        return subjects, events, first

    def with_strength(self, penalty: float, scale: float) -> LinkedModel:
        """Return a model of the same persons, grown with another penalty and scale."""
        return LinkedModel(
            self.tables,
            self.subject_forest.with_strength(penalty, scale),
            self.event_forest.with_strength(penalty, scale),
            self.first_forest.with_strength(penalty, scale),
        )

    def rows_of(self, subjects: pa.Table) -> Ints:
        """Return how many rows each person has, int64 [persons]."""
        axis = self.tables.axis
        most = MAX_ROWS_A_PERSON
        if axis is not None and axis.waves.size and axis.shortest:
            most = axis.waves.size
        return np.clip(as_floats(subjects.column(ROWS)), 1, most).astype(np.int64)

    def histories(
        self, subjects: pa.Table, rng: np.random.Generator, do: Do | None = None
    ) -> tuple[pa.Table, Ints]:
        """Draw the rows of persons.

        do: interventions on attributes that the persons were drawn under.

        Returns:
            The columns that vary, the rows of a person together and in order, and the person of
            each row as a row of `subjects`, int64 [rows].
        """
        first, later = (
            with_relations(forest, self.tables.event_schema)
            for forest in (self.first_forest, self.event_forest)
        )
        counts = self.rows_of(subjects)
        running = Running(self.tables.history, subjects.num_rows)
        axis = self.tables.axis
        places = None if axis is None else as_floats(subjects.column(START))
        parts: list[pa.Table] = []
        people: list[Ints] = []
        for position in range(int(counts.max(initial=0))):
            who = np.flatnonzero(counts > position)
            model = later if position else first
            given = self._causes(subjects, running, who, position)
            if axis is not None and places is not None:
                only = given.num_columns + 1
                drawn = model.sample(who.size, rng, given=given, do=do, only=only).column(STEP)
                steps = np.full(who.size, np.nan) if position == 0 else as_floats(drawn)
                left = (counts[who] - 1 - position).astype(np.float64)
                places[who] = axis.fitting(places[who] + np.nan_to_num(steps), places[who], left)
                given = given.append_column(STEP, whole_numbers(steps))
                given = given.append_column(axis.name, axis.column(places[who]))
            rows = model.sample(who.size, rng, given=given, do=do).select(self.tables.varying)
            running.add(rows, who)
            parts.append(rows)
            people.append(who)
        owners = np.concatenate(people)
        order = np.argsort(owners, kind="stable")
        return pa.concat_tables(parts).take(pa.array(order)).combine_chunks(), owners[order]

    def save(self, directory: Path) -> None:
        """Write the files of all forests into an existing directory."""
        self.subject_forest.save(directory, SUBJECTS)
        self.event_forest.save(directory, EVENTS)
        self.first_forest.save(directory, FIRST)

    def _causes(self, subjects: pa.Table, running: Running, who: Ints, position: int) -> pa.Table:
        known = subjects.select([*self.tables.attributes, ROWS]).take(pa.array(who))
        columns = dict(zip(known.column_names, known.columns, strict=True))
        columns[POSITION] = pa.array(np.full(who.size, position))
        columns |= running.columns(who)
        return pa.table({name: columns[name] for name in self.tables.causes})


def fit_linked(
    tables: LinkedTables, order: Sequence[str], options: Mapping[str, Any], methods: Methods | None
) -> LinkedModel:
    """Fit all forests.

    order: the learned columns of the upload, causal; methods: where known, held-out rows decide the
    others.
    """
    of_subjects, of_events, of_first = methods or ({}, {}, {})
    place = {name: i for i, name in enumerate(order)}
    attributes = sorted(tables.attributes, key=place.__getitem__)
    inner = [c.name for c in tables.subject_schema.learned() if c.name.startswith(MARK)]
    front = tables.causes
    if tables.axis is not None:
        front = [*front, STEP, tables.axis.name]
    given = [name for name in front if name != STEP]
    rest = sorted(set(tables.varying) - set(front), key=place.__getitem__)
    return LinkedModel(
        tables,
        _fit(_smoothed(tables), tables.subject_schema, [*attributes, *inner], options, of_subjects),
        _fit(tables.events, tables.event_schema, [*front, *rest], options, of_events, given),
        _fit(_first_of(tables), tables.event_schema, [*front, *rest], options, of_first, given),
    )


def load_linked(directory: Path, table: pa.Table, schema: TableSchema) -> LinkedModel | None:
    """Load what `LinkedModel.save` wrote; None from a directory without it.

    Raises:
        ModelFileError: a file is missing, too large or does not match the schema.
    """
    if not (directory / f"{EVENTS}{OUTLINE}").exists():
        return None
    tables = linked_tables(table, schema)
    if tables is None:
        raise ModelFileError("the model has linked rows, but its schema has no subject")
    return LinkedModel(
        tables,
        FOREST.load(directory, _smoothed(tables), tables.subject_schema, SUBJECTS),
        FOREST.load(directory, tables.events, tables.event_schema, EVENTS),
        FOREST.load(directory, _first_of(tables), tables.event_schema, FIRST),
    )


def _first_of(tables: LinkedTables) -> pa.Table:
    """Return the first row of each person."""
    position = as_floats(tables.events.column(POSITION))
    return tables.events.filter(pa.array(position == 0)).combine_chunks()


def _smoothed(tables: LinkedTables) -> pa.Table:
    return with_smooth_numbers(tables.subjects, tables.subject_schema)


def _fit(
    table: pa.Table,
    schema: TableSchema,
    order: Sequence[str],
    options: Mapping[str, Any],
    methods: Mapping[str, Method],
    given: Sequence[str] = (),
) -> ForestModel:
    # Given the history, rows of a person are independent. Trees that believe it tell who was in the
    # table (methods-generation.md), so only regressions do.
    chosen = {**options, METHODS: methods, GIVEN: given, INDEPENDENT: bool(given)}
    return FOREST.fit(table, schema, order, options=chosen)

"""The column that orders the rows of a person: stated, or found in a cleaned table."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.description.statements import Path, Statements
from simulacra_intake.rows_of_persons import persons_in
from simulacra_schema.description_parts import EXTENSION
from simulacra_schema.did_you_mean import closest
from simulacra_schema.table import COMPUTED, CleaningNote, ColumnSchema, TableSchema

PATH: Path = (EXTENSION, "order")
NO_PERSONS = "No column says which person a row belongs to, so rows have no order; name a subject."
UNLEARNED = "Generated rows cannot follow it: it is a key, personal data, free text or constant."
WITHOUT_ORDER = "Rows are ordered by a date, a whole number or an ordered scale; name one of these."
OF_PERSONS = "It is the same in all rows of a person, so it cannot order them."
WAVE = "it is the wave: which interview of a person a row is"
FIRST_DATE = "it is the first date that differs within persons and is never missing"
RISES = "it rises from row to row within every person"
MIN_STEPS = 20
"""Rows that follow another of the same person; fewer may rise by chance."""
ORDERED_KINDS = ("integer", "ordinal", "datetime")


def settle_order(
    table: pa.Table, schema: TableSchema, names: list[str], statements: Statements
) -> None:
    """Write the order into a schema, stated or found, and note it; it needs persons.

    A column that orders rows is learned, so no relation computes it.

    schema: with its relations, and attributes of persons marked; it is changed.

    Raises:
        InputError: the stated column cannot order rows.
    """
    stated = _stated(statements)
    if stated is not None:
        fault = _fault(stated, table, schema, names)
        if fault is not None:
            statements.problems.add(PATH, fault)
            statements.problems.raise_any()
        schema.order = stated
        kept = [one for one in schema.relations if one.kind not in COMPUTED or one.column != stated]
        schema.relations = kept
    else:
        found = found_order(schema) or _rising(table, schema)
        schema.order = None if found is None else found.name
    if schema.order is not None:
        action = "orders the rows of each person in linked rows"
        schema.cleaning.append(CleaningNote(column=schema.order, action=action))


def found_order(schema: TableSchema) -> ColumnSchema | None:
    """Return the wave of a schema, else its first date without gaps, else None."""
    if schema.subject() is None:
        return None
    varying = _varying(schema)
    computed = {relation.column for relation in schema.computed()}
    waves = [c for c in varying if c.role == "wave" and c.name not in computed]
    dates = [c for c in varying if c.kind == "datetime"]
    return next(iter([*waves, *dates]), None)


def _varying(schema: TableSchema) -> list[ColumnSchema]:
    """Return the columns that differ within persons and are never missing."""
    return [c for c in schema.columns if c.learned and not c.per_person and not c.missing_share]


def _rising(table: pa.Table, schema: TableSchema) -> ColumnSchema | None:
    """Return the first whole number that rises within every person, as the upload has its rows."""
    persons = persons_in(table, schema)
    if persons is None:
        return None
    order = np.argsort(persons, kind="stable")
    same = np.diff(persons[order]) == 0
    if same.sum() < MIN_STEPS:
        return None
    whole = [one for one in _varying(schema) if one.kind == "integer"]
    numbers = ((one, table.column(one.name).to_numpy()[order]) for one in whole)
    return next((one for one, values in numbers if (np.diff(values)[same] > 0).all()), None)


def evidence_of(schema: TableSchema) -> str | None:
    """Return why a column was found to order rows; None if none was."""
    column = None if schema.order is None else schema.find(schema.order)
    if column is None:
        return None
    if column.role == "wave":
        return WAVE
    return FIRST_DATE if column.kind == "datetime" else RISES


def _stated(statements: Statements) -> str | None:
    extension = statements.problems.description.extension
    return extension.order if extension.is_stated("order", extension.order) else None


def _fault(name: str, table: pa.Table, schema: TableSchema, names: list[str]) -> str | None:
    """Return why a column cannot order the rows of persons, None if it can."""
    if name not in names:
        return f"The table has no such column.{closest(name, names)}"
    column = schema.find(name)
    if schema.subject() is None:
        return NO_PERSONS
    if column is None or not column.learned:
        return UNLEARNED
    if column.kind not in ORDERED_KINDS or any(level.special for level in column.levels):
        return WITHOUT_ORDER
    if gaps := pc.sum(table.column(name).is_null()).as_py():
        return f"{gaps} of {schema.rows} rows have no value in it, so they have no place."
    return OF_PERSONS if column.per_person else None

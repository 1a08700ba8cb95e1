"""What the user states beyond the reading of cells: titles, units, dropped columns, relations."""

from collections.abc import Sequence
from typing import Any

from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.description.statements import Statement, Statements
from simulacra_schema.description_parts import EXTENSION, MAX_GROUPS, ColumnRelation
from simulacra_schema.did_you_mean import closest
from simulacra_schema.faults import path_of
from simulacra_schema.price_columns import found_prices, price_faults
from simulacra_schema.rules import Rule
from simulacra_schema.table import CleaningNote, RelationSchema, TableSchema
from simulacra_schema.wave_summary import BANNER_LEVELS

KEEP_SUBJECT = (
    "This column says which person a row belongs to, which protects the persons. Leave it in: "
    "generated rows get fresh numbers."
)
WAVE = "A wave has an order: numbers, periods, or ordered categories."
NO_BANNER = "Answers are shown by levels, or by bands of a number; name such a column."
WIDE_BANNER = f"It has {{count}} levels, and a banner column {BANNER_LEVELS} at most. Group them."
UNFOUND = "This relation does not hold in every row, or another one gives the column; leave it out."
_PRICES = "looks like the first column of a price question of {}: ask with `simulacra prices`"
_METHODS = {"van_westendorp": "van Westendorp", "gabor_granger": "Gabor and Granger"}
DROPPED = "the description leaves the column out"
EMPTIED = "the description empties the column in generated rows"


def finish_statements(columns: Sequence[CleanColumn], statements: Statements) -> list[CleanColumn]:
    """Return the columns with titles, units and replacements as stated, without dropped ones.

    Raises:
        InputError: all errors of the description that reading and cleaning found.
    """
    kept = []
    for column in columns:
        statement = statements.of(column.schema.name)
        if statement is None:
            kept.append(column)
            continue
        _finish(column, statement, statements)
        if not _is_dropped(statement):
            kept.append(column)
        elif column.schema.role == "subject":
            statements.problems.add(statement.at("use", "replace"), KEEP_SUBJECT)
    _check_banner(kept, statements)
    statements.problems.raise_any()
    return kept


def _check_banner(columns: Sequence[CleanColumn], statements: Statements) -> None:
    """Note banner columns that have no answers to tell others by, or too many."""
    schemas = {column.schema.name: column.schema for column in columns}
    for place, name in enumerate(statements.problems.description.extension.banner or ()):
        found = schemas.get(name)
        path = (EXTENSION, "banner", place)
        if found is None:
            problem = f"The table has no such column.{closest(name, [*schemas])}"
            statements.problems.add(path, problem)
        elif not found.learned or found.role is not None or found.kind in ("datetime", "multi"):
            statements.problems.add(path, NO_BANNER)
        elif len(found.levels) > BANNER_LEVELS and not found.is_numeric:
            statements.problems.add(path, WIDE_BANNER.format(count=len(found.levels)))


def settle_prices(schema: TableSchema, statements: Statements) -> None:
    """Set the stated price questions, or those that names and labels tell, which are noted.

    Raises:
        InputError: a stated one does not fit the columns.
    """
    extension = statements.problems.description.extension
    if extension.prices is None or not extension.is_stated("prices", extension.prices):
        schema.prices = found_prices(schema)
        schema.cleaning += [
            CleaningNote(column=one.columns[0], action=_PRICES.format(_METHODS[str(one.method)]))
            for one in schema.prices
        ]
        return
    for place, one in enumerate(extension.prices):
        for fault in price_faults(one, schema):
            statements.problems.add(
                (EXTENSION, "prices", place, *path_of(fault.pointer)), fault.detail
            )
    statements.problems.raise_any()
    schema.prices = extension.prices


def dropped(statements: Statements) -> list[str]:
    """Return the columns that the description drops."""
    return [name for name, one in statements.columns.items() if _is_dropped(one)]


def _is_dropped(statement: Statement) -> bool:
    extension = statement.field.extension
    return extension.use == "drop" or extension.replace == "drop"


def _finish(column: CleanColumn, statement: Statement, statements: Statements) -> None:
    field, extension = statement.field, statement.field.extension
    if field.title is not None:
        column.update(label=field.title)
    unordered = column.schema.kind not in ("integer", "ordinal")
    if extension.role == column.schema.role == "wave" and unordered:
        statements.problems.add(statement.at("role"), WAVE)
    if extension.unit is not None:
        if column.schema.is_clock and extension.unit != column.schema.unit:
            statements.problems.add(statement.at("unit"), "The cells are times and have no unit.")
        elif column.schema.kind in ("integer", "numeric"):
            column.update(unit=extension.unit)
        else:
            statements.problems.add(statement.at("unit"), "The cells are no numbers.")
    if extension.replace == "empty" and column.schema.role == "personal_data":
        column.update(kind="text", masks=[], locale=None, text_format=None, maximum=None)
        column.note(EMPTIED)


def stated_relations(
    found: Sequence[RelationSchema], statements: Statements, rules: Sequence[Rule] = ()
) -> list[RelationSchema]:
    """Return the found relations that the user's list has, and stated ones; all without a list.

    Raises:
        InputError: the list has a relation that was not found.
    """
    extension = statements.problems.description.extension
    listed: Sequence[ColumnRelation] | None = extension.relations
    if listed is None or not extension.is_stated("relations", listed):
        return list(found)
    known = {_key(relation) for relation in found[:MAX_GROUPS]}
    for place, one in enumerate(listed):
        if _key(one) not in known:
            statements.problems.add((EXTENSION, "relations", place), UNFOUND)
    statements.problems.raise_any()
    kept = {_key(one) for one in listed}
    return [one for one in found if _key(one) in kept or _is_stated(one, rules)]


def listed_relations(
    found: Sequence[RelationSchema], rules: Sequence[Rule] = ()
) -> list[dict[str, Any]]:
    """Return the relations as a description lists them; those that are stated are among rules."""
    listed = [one for one in found if not _is_stated(one, rules)][:MAX_GROUPS]
    return [{"kind": one.kind, "column": one.column, "of": one.of} for one in listed]


def _is_stated(relation: RelationSchema, rules: Sequence[Rule]) -> bool:
    """Return whether a rule says the same as a found sum or order."""
    if relation.kind == "not_above":
        order = (relation.column, "<=", relation.of[0])
        turned = (relation.of[0], ">=", relation.column)
        return any(rule.compare in (order, turned) and not rule.plus for rule in rules)
    names = {relation.column, *relation.of}
    sums = (set(rule.columns()) for rule in rules if rule.sum is not None)
    return relation.kind == "linear" and any(names == columns for columns in sums)


def _key(relation: RelationSchema | ColumnRelation) -> tuple[str, str, tuple[str, ...]]:
    return relation.kind, relation.column, tuple(relation.of)

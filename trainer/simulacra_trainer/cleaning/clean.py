"""Cleaning of a raw table: each column gets a kind, a type of the engine, and notes on changes.

Conservative by design: a value changes only if the whole column shows its meaning; case and words
stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import NUMBERS, as_floats, one_chunk, with_values
from simulacra_intake.columns.answer_sets import find_sets
from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.columns.code_columns import add_code_columns
from simulacra_intake.columns.design_names import ask_about_design
from simulacra_intake.columns.dialect import dialect_of
from simulacra_intake.columns.weights import ask_about_weights
from simulacra_intake.description.answers import of_columns, stated_sets
from simulacra_intake.description.finish import (
    DROPPED,
    dropped,
    finish_statements,
    settle_prices,
    stated_relations,
)
from simulacra_intake.description.order import settle_order
from simulacra_intake.description.statements import Statements, state
from simulacra_intake.errors import too_small
from simulacra_intake.limits import MIN_COLUMNS
from simulacra_intake.persons.protect import protect_persons
from simulacra_intake.persons.real_values import METADATA
from simulacra_intake.raw_table import NOTES, RawTable
from simulacra_intake.read_columns import read_columns
from simulacra_intake.readers.names import check_column_count, check_names, check_row_count
from simulacra_intake.readers.unnamed import settle_unnamed
from simulacra_intake.replicate_weights import stated_replicates
from simulacra_intake.rows_of_persons import is_constant_within, persons_in
from simulacra_intake.survey_design import clusters_in
from simulacra_schema.description import Description
from simulacra_schema.formats.file_labels import AnswerSet, sets_of
from simulacra_schema.rules import Rule
from simulacra_schema.table import CleaningNote, RelationSchema, TableSchema
from simulacra_trainer.cell_keys import METADATA as CELL_KEYS
from simulacra_trainer.cell_keys import new_secret
from simulacra_trainer.cleaning.shown_figures import shown_schema
from simulacra_trainer.relations.compute import follow_moved, formula, sentence
from simulacra_trainer.relations.decided import with_decided
from simulacra_trainer.relations.find import find_relations
from simulacra_trainer.relations.groups import GROUPS
from simulacra_trainer.relations.pairs import Identity
from simulacra_trainer.rules.propose import proposals_of

MOST_OWN = 0.9
IN_SEVERAL = (
    "A person has rows in several clusters, but lies in one. Correct the clusters, state another"
    " subject, or leave one of the two out."
)


@dataclass(frozen=True)
class CleanTable:
    """A cleaned table and its schema.

    table: learned columns, weights and the person of each row (`persons`), one chunk each, null for
    missing; its metadata has the digests of real values (`persons.real_values`) and the secret of
    the persons' keys (`cell_keys`); proposals: rules that the upload suggests, not in use.
    """

    table: pa.Table
    schema: TableSchema
    proposals: Sequence[Rule] = ()


def clean_table(
    raw: pa.Table | RawTable, *, weights: str | None = None, statements: Statements | None = None
) -> CleanTable:
    """Clean an uploaded table.

    raw: a table from `open_table`, or any flat Arrow table, whose strings stay strings; weights:
    the column of survey weights, where `statements` does not say it.

    Returns:
        Clean types by kind: categorical, ordinal and boolean are dictionary<int32, string> in the
        order of the schema's levels; integer int64; numeric float64; datetime timestamp[us].
        Unlearned columns are in the schema only.

    Raises:
        InputError: names or shape exceed the limits, fewer than MIN_COLUMNS columns can be
            learned, the weights are unusable, or the data contradict the statements.
    """
    check_names(raw.column_names)
    check_row_count(raw.num_rows)
    raw, unnamed = settle_unnamed(raw)
    statements = statements or state(Description(), raw.column_names, weights)
    read = read_columns(raw, statements)
    check_column_count(sum(max(len(column.arrays()), 1) for column in read))
    protected = protect_persons(raw, read, statements)
    columns, sets, grids = _finished(protected.columns, read, raw, statements)
    _ask_about_design(columns, statements)
    _check_learned(columns)
    notes = (raw.schema.metadata or {}).get(NOTES, b"").decode().splitlines()
    schema = TableSchema(
        rows=raw.num_rows,
        persons=protected.persons,
        replicates=stated_replicates(statements),
        columns=[c.schema for c in columns],
        cleaning=[
            *(CleaningNote(action=line) for line in [*notes, *unnamed]),
            *(CleaningNote(column=name, action=DROPPED) for name in dropped(statements)),
            *(note for c in columns for note in c.notes),
        ],
        banner=statements.problems.description.extension.banner or [],
        sets=sets,
        grids=grids,
        dialect=dialect_of(raw.schema, columns),
    )
    table = pa.table({name: values for c in columns for name, values in c.arrays()})
    exact = _exact_numbers(table, schema, read)
    own = _with_own_words(columns, table.num_rows)
    stated = _stated_rules(table, schema, statements)
    schema.relations = find_relations(table.filter(own), schema, exact.filter(own), stated)
    _mark_attributes(table, schema)
    _check_persons_in_clusters(table, schema, statements)
    rules = [one.rule for one in schema.rules]
    schema.relations = stated_relations(schema.relations, statements, rules)
    if (wave := schema.wave()) is not None:  # nothing gives the wave
        schema.relations = [one for one in schema.relations if one.column != wave.name]
    settle_order(table, schema, raw.column_names, statements)
    schema.relations = [_of_order(one, schema.order) for one in schema.relations]
    proposals = proposals_of(table.filter(own), schema, schema.persons or table.num_rows)
    table = follow_moved(table, exact, schema)
    for relation in schema.relations:
        if relation.kind == "decided":
            table = with_decided(table, relation)
    table, schema = add_code_columns(table, schema, read)
    if statements.problems.description.extension.targets is not None:
        from simulacra_trainer.raking import with_targets  # it imports scipy

        table, schema = with_targets(table, schema, statements)
    schema.cleaning += [_relation_note(relation) for relation in schema.relations]
    settle_prices(schema, statements)
    secret = {CELL_KEYS: new_secret()}
    if protected.real is not None:
        secret[METADATA] = protected.real.to_bytes()
    table = table.replace_schema_metadata(secret)
    return CleanTable(table, shown_schema(table, schema), proposals)


def _stated_rules(
    table: pa.Table, schema: TableSchema, statements: Statements
) -> Sequence[Identity]:
    """Set the rules that the description states; return the sums among them."""
    if not statements.problems.description.extension.rules:
        return ()
    from simulacra_trainer.rules.stated import stated_rules, stated_sums  # imports the engine

    schema.rules = stated_rules(table, schema, statements)
    return stated_sums(schema.rules)


def _exact_numbers(table: pa.Table, schema: TableSchema, read: Sequence[CleanColumn]) -> pa.Table:
    """Return a clean table with numbers and dates as they were read, before some were moved."""
    for column in read:
        name, values = column.schema.name, column.values
        kept = schema.find(name)
        if values is None or kept is None or kept.kind not in NUMBERS or not kept.learned:
            continue
        if kept.role != "coordinate" and values.type == table.schema.field(name).type:
            table = with_values(table, name, values)
    return table


def _with_own_words(columns: Sequence[CleanColumn], rows: int) -> pa.Array:
    """Return the rows whose words are their own, bool [rows]; all rows if these are few.

    A word drawn instead of a rare one says nothing of what holds in the upload.
    """
    drawn = [column.drawn for column in columns if column.drawn is not None]
    own = ~np.any(np.stack(drawn), axis=0) if drawn else np.ones(rows, np.bool_)
    return pa.array(own if own.mean() >= MOST_OWN else np.ones(rows, np.bool_))


def _finished(
    columns: list[CleanColumn],
    read: Sequence[CleanColumn],
    raw: pa.Table | RawTable,
    statements: Statements,
) -> tuple[list[CleanColumn], list[AnswerSet], list[AnswerSet]]:
    """Return the columns with what the user states, without dropped ones, and sets and grids."""
    # Items of one question have the same levels as they were read, rare ones included.
    schemas = [
        c.schema.model_copy(update={"levels": own.schema.levels}) if c.schema.learned else c.schema
        for c, own in zip(columns, read, strict=True)
    ]
    sets, grids = find_sets(schemas, sets_of(raw.schema))
    sets = stated_sets(schemas, statements, sets, "sets")
    grids = stated_sets(schemas, statements, grids, "grids")
    columns = finish_statements(columns, statements)
    kept = {c.schema.name for c in columns}
    return columns, of_columns(sets, kept), of_columns(grids, kept)


def _ask_about_design(columns: list[CleanColumn], statements: Statements) -> None:
    roles = {name: one.role for name, one in statements.columns.items()}
    weight = next((c for c in columns if c.schema.kind == "weight"), None)
    open_ones = [c for c in columns if c is not weight and roles.get(c.schema.name) is None]
    left = ask_about_design(open_ones, set(roles.values()), weight)
    if weight is None:
        ask_about_weights(left)


def _check_learned(columns: list[CleanColumn]) -> None:
    learned = sum(c.schema.learned for c in columns)
    if learned < MIN_COLUMNS:
        raise too_small(
            f"The table has {learned} usable columns; at least {MIN_COLUMNS} are needed.",
            "Columns that are empty, hold one value, free text or identifiers cannot be learned.",
        )


def _check_persons_in_clusters(
    table: pa.Table, schema: TableSchema, statements: Statements
) -> None:
    """Raise if a person has rows in several clusters: errors are those of clusters with persons."""
    persons, clusters = persons_in(table, schema), clusters_in(table, schema)
    column = schema.cluster()
    if persons is None or clusters is None or column is None:
        return
    pairs = np.unique(np.stack([persons, clusters[0]]), axis=1).shape[1]
    if pairs > np.unique(persons).size:
        statements.problems.add(statements.columns[column.name].at("role"), IN_SEVERAL)
        statements.problems.raise_any()


def _mark_attributes(table: pa.Table, schema: TableSchema) -> None:
    """Say of each learned column whether it is constant within persons, if there is a subject."""
    persons = persons_in(table, schema)
    if persons is None:
        return
    for column in schema.columns:
        if column.learned:
            parts = (one_chunk(table.column(part.name)) for part in column.parts())
            column.per_person = all(is_constant_within(_codes(part), persons) for part in parts)


def _codes(values: pa.Array) -> npt.NDArray[np.float64]:
    """Return numbers that differ where values do, float64 [n]; missing is NaN."""
    return as_floats(values.indices if pa.types.is_dictionary(values.type) else values)


def _of_order(relation: RelationSchema, order: str | None) -> RelationSchema:
    """Return the relation; a column that orders rows is learned itself, not by a difference."""
    if order is None or relation.by_difference != order:
        return relation
    return relation.model_copy(update={"by_difference": None, "factor": 1.0})


def _relation_note(relation: RelationSchema) -> CleaningNote:
    if relation.kind == "decided":
        by = " and ".join(relation.of) + (" together" if len(relation.of) > 1 else "")
        action = f"is decided by {by}, as in every row"
    elif relation.kind == "not_above":
        action = f"is never above {relation.of[0]}, nor in generated rows"
    elif relation.kind in (*GROUPS, "years"):
        action = f"{sentence(relation)}, as in every row"
    elif relation.implied:
        action = f"agrees in every row with what others give: {formula(relation)}"
    else:
        action = f"is computed, as in every row: {formula(relation)}"
    return CleaningNote(column=relation.column, action=action)

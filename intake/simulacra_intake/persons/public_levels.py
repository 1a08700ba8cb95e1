"""Levels that the user states to be public, such as countries, postcodes and brands.

Frequent ones are learned as any. Rare ones are learned as one level, and a row that has it gets a
public level at random, which belongs to no other answer of the row.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.description.statements import Statements
from simulacra_intake.personal_data.people import People
from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_schema.table import ColumnSchema, PublishedLevels

PERSONAL = "Its cells name persons or their rows ({role}), so they are never published."
NO_LEVELS = "Only columns of categories have levels to publish; this one is read as {kind}."


def check_public(columns: Sequence[CleanColumn], statements: Statements) -> None:
    """Note an error for each column whose levels are stated to be public and cannot be."""
    for column in columns:
        statement, schema = statements.of(column.schema.name), column.schema
        if statement is None or statement.field.extension.publish is None:
            continue
        if schema.role is not None:
            what = (schema.personal_data or schema.role).replace("_", " ")
            statements.problems.add(statement.at("publish"), PERSONAL.format(role=what))
        elif schema.kind not in ("categorical", "constant"):
            statements.problems.add(statement.at("publish"), NO_LEVELS.format(kind=schema.kind))


def with_public(
    kept: CleanColumn, read: CleanColumn, people: People, stated: Sequence[str] | None
) -> CleanColumn:
    """Return a column whose level of rare words is written as public ones.

    kept: the column with its rare words in one level; stated: all public levels, empty where those
    of the table are public, None without a statement.
    """
    pooled = next((level for level in kept.schema.levels if level.pooled), None)
    if stated is None or pooled is None or read.values is None:
        return kept
    frequent = set(kept.schema.level_values())
    if stated:
        words = [word for word in dict.fromkeys(stated) if word not in frequent]
        single, told = 0, f"is written as one of {len(words)} stated public levels"
    else:
        codes = read.values.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        counts = people.count(codes[codes >= 0], len(read.schema.levels), codes >= 0)
        names = read.schema.level_values()
        words = [n for n, c in zip(names, counts, strict=True) if c > 0 and n not in frequent]
        single = int(np.count_nonzero((counts > 0) & (counts < 2)))
        told = (
            f"is written as one of {len(words)} public levels of the table, {single} of them of "
            "one person: rows tell that they are present"
        )
    if not words:
        return kept
    kept.update(published=PublishedLevels(words=words, listed=bool(stated), single=single))
    kept.note(f"{pooled.value} (words of fewer than {MIN_PERSONS} persons) {told}")
    return kept


def written(values: pa.Array, column: ColumnSchema, rng: np.random.Generator) -> pa.Array:
    """Return words with a public level, drawn at random, instead of that of rare words."""
    pooled = next((level.value for level in column.levels if level.pooled), None)
    if column.published is None or pooled is None:
        return values
    words = values.cast(pa.string())
    drawn = rng.integers(len(column.published.words), size=len(words))
    public = pa.array(column.published.words, pa.string()).take(pa.array(drawn))
    return pc.if_else(pc.equal(words, pooled), public, words)

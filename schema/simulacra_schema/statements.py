"""Checks of what a causal question states about columns: before, after, don't know, controls.

A column is in one list at most, and the treatment in none. Only a negative control may be in before
or after as well: it has a place in time as all columns have. The outcome may be in after, which
states that the treatment comes first, or in don't know. The API answers with these entries at once,
and the pod checks them again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from simulacra_schema.base import ColumnName, no_default
from simulacra_schema.faults import UNLEARNED, Fault, Wrong, no_column, several_answers
from simulacra_schema.table import TableSchema

LISTS = ("before", "after", "dont_know", "negative_controls")
"""The lists of a question."""
TWICE = Wrong("a column in two lists", "The column is in two lists, or twice in one. Name it once.")
TREATMENT = Wrong(
    "the treatment in a list",
    "This is the treatment. Remove it: the lists are about the other columns.",
)
OUTCOME = Wrong(
    "the outcome in a list other than after and dontKnow",
    "This is the outcome. Remove it, or put it in after, which states that the treatment comes"
    " before it.",
)
NOT_LEARNED = Wrong(
    UNLEARNED, "The column is not learned, so nothing can be adjusted for it. Remove it."
)
CONTROL = Wrong(
    "a negative control that is neither a number nor yes/no",
    "A negative control must be a number or yes/no. Name another column.",
)
TWICE_IN_BLOCKS = Wrong("a column in two blocks", "The column is already in a block; name it once.")
OTHER_BLOCK = Wrong(
    "a list that contradicts the blocks",
    "The blocks place this column otherwise, relative to the treatment. Remove it here, or move it"
    " to another block.",
)
Blocks = Annotated[
    list[Annotated[list[ColumnName], Field(min_length=1, max_length=300)]],
    Field(
        max_length=32,
        description="All columns in one go: blocks of columns, the earliest first. Those of a block"
        " may cause those of later ones, never the reverse; within a block nothing is said. They"
        " replace the tiers of the model for this answer.",
        json_schema_extra=no_default,
    ),
]


def check_blocks(blocks: Sequence[Sequence[str]], schema: TableSchema) -> Iterator[Fault]:
    """Yield one entry for each column of the blocks that does not exist or stands in two."""
    known, seen = schema.names(), set[str]()
    for i, block in enumerate(blocks):
        for j, name in enumerate(block):
            names = {name, *schema.parts_of(name)} if name in known else {name}
            if name not in known or names & seen:
                wrong = TWICE_IN_BLOCKS if names & seen else no_column(name, schema)
                yield wrong.at("blocks", i, j)
            seen |= names


def check_places(
    blocks: Sequence[Sequence[str]],
    lists: Mapping[str, Sequence[str]],
    treatment: str,
    *path: str | int,
) -> Iterator[Fault]:
    """Yield one entry for each column of before, after and dont_know that the blocks contradict."""
    place = {name: i for i, block in enumerate(blocks) for name in block}
    if treatment not in place:
        return
    for field, sign in (("before", -1), ("after", 1), ("dont_know", 0)):
        for at, name in enumerate(lists.get(field, ())):
            said = place.get(name, place[treatment]) - place[treatment]
            if said * sign < 0 or (sign == 0 and said):
                yield OTHER_BLOCK.at(*path, field, at)


def split_outcome(text: str, schema: TableSchema) -> tuple[str, str | None]:
    """Return column and level (None without one) of an outcome COL or COL=LEVEL.

    A column that has the whole text as its name comes first. The column may be unknown.
    """
    if schema.find(text) is None:
        cuts = [i for i, sign in enumerate(text) if sign == "=" and schema.find(text[:i])]
        if cuts:
            return text[: cuts[-1]], text[cuts[-1] + 1 :]
    return text, None


def check_statements(
    lists: Mapping[str, Sequence[str]],
    treatment: str,
    outcome: str,
    schema: TableSchema,
    *path: str | int,
) -> Iterator[Fault]:
    """Yield one entry per wrong column, with a pointer to its place in its list.

    outcome: column of the outcome, without a level; path: of what has the lists, the question
    itself if empty.
    """
    seen: dict[str, str] = {}
    for field, columns in lists.items():
        for at, name in enumerate(columns):
            wrong = _wrong(name, field, treatment, outcome, schema)
            is_placed = field == "negative_controls" and seen.get(name) in ("before", "after")
            if wrong is None and name in seen and not is_placed:
                wrong = TWICE
            if wrong is not None:
                yield wrong.at(*path, field, at)
            seen[name] = field


def _wrong(
    name: str, field: str, treatment: str, outcome: str, schema: TableSchema
) -> Wrong | None:
    column = schema.find(name)
    if column is None:
        return no_column(name, schema)
    if name == treatment:
        return TREATMENT
    if name == outcome and field not in ("after", "dont_know"):
        return OUTCOME
    if not column.learned:
        return NOT_LEARNED
    if column.kind == "multi":
        return several_answers(column)
    if field == "negative_controls" and not (column.is_numeric or column.kind == "boolean"):
        return CONTROL
    return None

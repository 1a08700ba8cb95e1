"""Relations between numbers that the user keeps or removes, and how a description lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulacra_intake.description.statements import Statements
from simulacra_schema.description_parts import EXTENSION, MAX_GROUPS, ColumnRelation
from simulacra_schema.table import RelationSchema

UNFOUND = "This relation does not hold in every row, or another one gives the column; leave it out."


def stated_relations(
    found: Sequence[RelationSchema], statements: Statements
) -> list[RelationSchema]:
    """Return the found relations that the user's list has; all of them without a list.

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
    return [relation for relation in found if _key(relation) in kept]


def listed_relations(found: Sequence[RelationSchema]) -> list[dict[str, Any]]:
    """Return the relations as a description lists them."""
    return [{"kind": one.kind, "column": one.column, "of": one.of} for one in found[:MAX_GROUPS]]


def _key(relation: RelationSchema | ColumnRelation) -> tuple[str, str, tuple[str, ...]]:
    return relation.kind, relation.column, tuple(relation.of)

"""Check of a user's causal knowledge against the schema, before a fit.

The rules are those of the fit (`simulacra_trainer.graph.constraints`, which needs them as
matrices), in plain Python so that the API can answer at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from simulacra_schema.conditions import FieldError, pointer
from simulacra_schema.did_you_mean import unknown_column
from simulacra_schema.questions.fit import Edge, Knowledge
from simulacra_schema.table import TableSchema

TWICE = "The column is already in a tier; name it once."
SELF = "The edge leads from a column to itself; remove it."
NOT_LEARNED = "The column is not learned, so no edge to or from it can be required."
SEVERAL = 'A column holds several answers; name one of its options, as in "media: TV".'
BOTH = "The edge is also forbidden; remove one of the two."
CYCLE = "The edge contradicts the tiers or closes a cycle with other required edges; remove it."


def check_knowledge(knowledge: Knowledge, schema: TableSchema) -> list[FieldError]:
    """Return one entry for each invalid field, with a pointer relative to the knowledge."""
    errors = [*_names(knowledge, schema), *_edges(knowledge, schema)]
    if not errors and (at := _cycle(knowledge, schema)) is not None:
        errors.append(FieldError(pointer=pointer("required", at), detail=CYCLE))
    return errors


def _names(knowledge: Knowledge, schema: TableSchema) -> Iterator[FieldError]:
    known = schema.names()
    seen: set[str] = set()
    for field, tiers in (("tiers", knowledge.tiers), ("confirmed", knowledge.confirmed)):
        for i, j, name in _places(tiers):
            names = {name, *schema.parts_of(name)}
            if name not in known or names & seen:
                detail = TWICE if names & seen else unknown_column(name, known)
                yield FieldError(pointer=pointer(field, i, j), detail=detail)
            seen |= names
    for field, edges in (("required", knowledge.required), ("forbidden", knowledge.forbidden)):
        for i, edge in enumerate(edges):
            for end, name in (("source", edge.source), ("target", edge.target)):
                if name not in known:
                    detail = unknown_column(name, known)
                    yield FieldError(pointer=pointer(field, i, end), detail=detail)
            if edge.source == edge.target:
                yield FieldError(pointer=pointer(field, i), detail=SELF)


def _places(tiers: Sequence[Sequence[str]]) -> Iterator[tuple[int, int, str]]:
    return ((i, j, name) for i, tier in enumerate(tiers) for j, name in enumerate(tier))


def _edges(knowledge: Knowledge, schema: TableSchema) -> Iterator[FieldError]:
    unlearned = {column.name for column in schema.columns if not column.learned}
    several = {column.name for column in schema.columns if column.kind == "multi"}
    forbidden = {_ends(edge) for edge in knowledge.forbidden}
    for i, edge in enumerate(knowledge.required):
        if unlearned.intersection(_ends(edge)):
            yield FieldError(pointer=pointer("required", i), detail=NOT_LEARNED)
        if several.intersection(_ends(edge)):
            yield FieldError(pointer=pointer("required", i), detail=SEVERAL)
        if _ends(edge) in forbidden:
            yield FieldError(pointer=pointer("required", i), detail=BOTH)


def _cycle(knowledge: Knowledge, schema: TableSchema) -> int | None:
    """Return the index of a required edge that contradicts tiers or other edges, None without one.

    Between two tiers the order has a gate, after every column of the earlier tier and before every
    column of the later one. Confirmed background has gates of its own, before all other columns.
    """
    order: TopologicalSorter[str | int] = TopologicalSorter()
    first = {
        part for tier in knowledge.confirmed for name in tier for part in schema.parts_of(name)
    }
    for column in schema.learned():
        if column.name not in first:
            order.add(column.name, -1)
    for gate, tier in enumerate(knowledge.confirmed, -1 - len(knowledge.confirmed)):
        for name in (part for column in tier for part in schema.parts_of(column)):
            order.add(name, gate)
            order.add(gate + 1, name)
        order.add(gate + 1, gate)
    for gate, tier in enumerate(knowledge.tiers):
        for name in (part for column in tier for part in schema.parts_of(column)):
            order.add(name, gate)
            order.add(gate + 1, name)
        order.add(gate + 1, gate)
    for edge in knowledge.required:
        order.add(edge.target, edge.source)
    try:
        order.prepare()
    except CycleError as error:
        steps = {pair for a, b in pairwise(error.args[1]) for pair in ((a, b), (b, a))}
        bad = [i for i, edge in enumerate(knowledge.required) if _ends(edge) in steps]
        return max(bad, default=0)
    return None


def _ends(edge: Edge) -> tuple[str, str]:
    return edge.source, edge.target

"""Causal knowledge of the user, and its check against the schema before a fit.

The rules are those of the fit (`simulacra_trainer.graph.constraints`, which needs them as
matrices), in plain Python so that the API can answer at once.
"""

from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from simulacra_schema.base import ColumnName, KubeModel, Timestamp, no_default, optional_list, ruled
from simulacra_schema.faults import SEVERAL_ANSWERS, UNLEARNED, Fault, Wrong, no_column
from simulacra_schema.table import TableSchema

Tier = Annotated[list[ColumnName], Field(min_length=1, max_length=300)]
MOST_CONFIRMED = 4
"""Tiers of background columns."""
Edges = Annotated[list["Edge"], Field(max_length=1000)]

TWICE = Wrong("a column in two tiers", "The column is already in a tier; name it once.")
SELF = Wrong(
    "an edge from a column to itself", "The edge leads from a column to itself; remove it."
)
NOT_LEARNED = Wrong(
    UNLEARNED, "The column is not learned, so no edge to or from it can be required."
)
SEVERAL = Wrong(
    SEVERAL_ANSWERS, 'A column holds several answers; name one of its options, as in "media: TV".'
)
BOTH = Wrong(
    "an edge that is required and forbidden", "The edge is also forbidden; remove one of the two."
)
EDGE_BACK = Wrong(
    "blocks that contradict a required edge of the model",
    "The model has a required edge from a later block to this column. Move the column, or fit again"
    " without the edge.",
)
INTO_WAVE = Wrong("an edge into the wave", "Nothing causes a wave of a survey; remove the edge.")
CYCLE = Wrong(
    "the edge contradicts the tiers or other required edges",
    "The edge contradicts the tiers or closes a cycle with other required edges; remove it.",
)


class Edge(KubeModel):
    """A directed causal edge between two columns."""

    model_config = ruled(
        ("self.source != self.target", "the edge leads from a column to itself; remove it")
    )

    source: ColumnName = Field(description="The column of the cause.")
    target: ColumnName = Field(description="The column of the effect.")


class Knowledge(KubeModel):
    """Causal knowledge of the user; binding for the fit."""

    tiers: list[Tier] = optional_list(
        "Lists of columns; no tier is caused by a later one (demographics first, outcomes last).",
        max_length=32,
    )
    required: Edges = optional_list("Edges that the graph must have.")
    forbidden: Edges = optional_list("Edges that it must not have.")
    confirmed: list[Tier] = optional_list(
        "Lists of background columns, earliest first: they come before all other "
        "columns. The graph of a model proposes some, with reasons.",
        max_length=MOST_CONFIRMED,
    )
    background: Literal["ask", "auto"] = Field(
        default="ask",
        description="auto: proposed background columns that no tier names count as confirmed. "
        "ask when absent.",
        json_schema_extra=no_default,
    )


class KnowledgeRecord(KubeModel):
    """Who stated a part of the knowledge, and when."""

    part: Literal["tiers", "required", "forbidden", "confirmed", "background"] = Field(
        description="The field of knowledge."
    )
    author: str = Field(max_length=256, description="The client that stated it.")
    time: Timestamp = Field(description="When it was first stated.")


def check_knowledge(knowledge: Knowledge, schema: TableSchema) -> list[Fault]:
    """Return one entry for each invalid field, with a pointer relative to the knowledge."""
    errors = [*_names(knowledge, schema), *_edges(knowledge, schema)]
    if not errors and (at := _cycle(knowledge, schema)) is not None:
        errors.append(CYCLE.at("required", at))
    return errors


def _names(knowledge: Knowledge, schema: TableSchema) -> Iterator[Fault]:
    known = schema.names()
    seen: set[str] = set()
    for field, tiers in (("tiers", knowledge.tiers), ("confirmed", knowledge.confirmed)):
        for i, j, name in _places(tiers):
            names = {name, *schema.parts_of(name)}
            if name not in known or names & seen:
                wrong = TWICE if names & seen else no_column(name, schema)
                yield wrong.at(field, i, j)
            seen |= names
    for field, edges in (("required", knowledge.required), ("forbidden", knowledge.forbidden)):
        for i, edge in enumerate(edges):
            for end, name in (("source", edge.source), ("target", edge.target)):
                if name not in known:
                    yield no_column(name, schema).at(field, i, end)
            if edge.source == edge.target:
                yield SELF.at(field, i)


def _places(tiers: Sequence[Sequence[str]]) -> Iterator[tuple[int, int, str]]:
    return ((i, j, name) for i, tier in enumerate(tiers) for j, name in enumerate(tier))


def _edges(knowledge: Knowledge, schema: TableSchema) -> Iterator[Fault]:
    unlearned = {column.name for column in schema.columns if not column.learned}
    several = {column.name for column in schema.columns if column.kind == "multi"}
    forbidden = {_ends(edge) for edge in knowledge.forbidden}
    for i, edge in enumerate(knowledge.required):
        if unlearned.intersection(_ends(edge)):
            yield NOT_LEARNED.at("required", i)
        if several.intersection(_ends(edge)):
            yield SEVERAL.at("required", i)
        if (wave := schema.wave()) is not None and edge.target == wave.name:
            yield INTO_WAVE.at("required", i)
        if _ends(edge) in forbidden:
            yield BOTH.at("required", i)


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
    before = enumerate(knowledge.confirmed, -1 - len(knowledge.confirmed))
    for gate, tier in (*before, *enumerate(knowledge.tiers)):
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


def with_blocks(
    knowledge: Knowledge, blocks: Sequence[Sequence[str]], schema: TableSchema
) -> Knowledge:
    """Return the knowledge with the blocks of a question for its tiers; without blocks, itself.

    They count before confirmed background, too; only the wave stays before all other columns.
    """
    if not blocks:
        return knowledge
    wave = schema.wave()
    first = set() if wave is None else {wave.name}
    placed = {part for block in blocks for name in block for part in (name, *schema.parts_of(name))}
    tiers = [[name for name in block if name not in first] for block in blocks]
    confirmed = [[n for n in tier if n in first or n not in placed] for tier in knowledge.confirmed]
    update = {"tiers": [t for t in tiers if t], "confirmed": [t for t in confirmed if t]}
    return knowledge.model_copy(update=update)


def check_edges(
    knowledge: Knowledge, blocks: Sequence[Sequence[str]], schema: TableSchema
) -> Iterator[Fault]:
    """Yield where the blocks of a question contradict the required edges of a model."""
    place = {name: (i, j) for i, j, name in _places(blocks)}
    found = [
        EDGE_BACK.at("blocks", *place[edge.target])
        for edge in knowledge.required
        if edge.source in place
        and edge.target in place
        and place[edge.target][0] < place[edge.source][0]
    ]
    yield from found
    if blocks and not found and _cycle(with_blocks(knowledge, blocks, schema), schema) is not None:
        yield EDGE_BACK.at("blocks")


def _ends(edge: Edge) -> tuple[str, str]:
    return edge.source, edge.target

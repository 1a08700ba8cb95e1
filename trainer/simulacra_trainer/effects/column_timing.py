"""Which columns come before the treatment, which after it, and which nobody ordered.

The lists of the question count first, then what the model knows: tiers, required edges, confirmed
background. A column that none of them orders is unknown: tiers say nothing of columns outside them,
or of the treatment's own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Literal

from simulacra_crds.tasks import EstimateRequest
from simulacra_intake.errors import refuse
from simulacra_schema.answers import Origin, Statement
from simulacra_schema.questions.knowledge import (
    Knowledge,
    KnowledgeRecord,
    check_edges,
    with_blocks,
)
from simulacra_schema.statements import LISTS, check_blocks, check_places, check_statements
from simulacra_schema.table import TableSchema
from simulacra_schema.usual_order import usual_ranks
from simulacra_trainer.graph.constraints import read_knowledge

Order = Literal["stated", "unstated", "reversed"]
Timing = Literal["before", "after", "unknown"]
ORIGINS: tuple[Origin, ...] = ("request", "tiers", "required", "proposed")


@dataclass(frozen=True)
class ColumnTiming:
    """Timing of the columns relative to the treatment, in the order of the schema.

    Attributes:
        before: columns to adjust for.
        after: columns that are never adjusted for.
        unknown: columns that nobody ordered.
        order: whether somebody said that the treatment comes before the outcome; reversed: that
            the outcome comes first.
        statements: what was said, by origin.
        open: columns whose place not even the usual order tells: that the question calls unknown.
        blocks: columns beside the treatment in its block, about which nothing is said within it.
        pairs: stated (earlier, later) among columns that have no place, or with the outcome.
        presumes: the blocks that this timing presumes, beside what was stated; empty if it presumes
            nothing. Then the unknown columns came all before the treatment, or all after it.
        usual: the columns before and after the treatment that only the usual order places.
    """

    before: list[str]
    after: list[str]
    unknown: list[str]
    order: Order
    statements: list[Statement]
    open: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    pairs: frozenset[tuple[str, str]] = frozenset()
    presumes: list[list[str]] = field(default_factory=list)
    usual: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))


def presumed(
    timing: ColumnTiming, schema: TableSchema, treatment: str, outcome: str
) -> ColumnTiming | None:
    """Return the timing if the usual order holds, too; None where that tells too little.

    Stated places stay. Words and waves place the other columns (`usual_order`), and columns that
    share the treatment's block, stated or usual, came all before the treatment or all after it. An
    effect needs the treatment before the outcome, and a place for every column.
    """
    if timing.order == "reversed" or not (timing.unknown or timing.order == "unstated"):
        return None
    ranks = usual_ranks(schema)
    own = ranks.get(treatment)

    def place(name: str) -> Timing | None:
        rank = ranks.get(name)
        if name not in timing.open and own is not None and rank is not None and rank != own:
            return "before" if rank < own else "after"
        is_beside = name in timing.blocks or (own is not None and rank == own)
        return "unknown" if is_beside and name not in timing.open else None

    places = {name: place(name) for name in timing.unknown}
    is_ordered = timing.order == "stated" or place(outcome) == "after"
    if None in places.values() or not is_ordered:
        return None
    # What is stated between two of them counts before what is usual, and none loses its place.
    after = {outcome, *(name for name, at in places.items() if at == "after")}
    places |= {b: "after" for a, b in timing.pairs if a in after and b in places}
    before = {name for name, at in places.items() if at == "before"}
    places |= {a: "before" for a, b in timing.pairs if b in before and a in places}
    sides: dict[Timing, list[str]] = {"before": [], "after": [], "unknown": []}
    for name, at in places.items():
        sides[at or "unknown"].append(name)
    first, last = [*timing.before, *sides["before"]], [*timing.after, *sides["after"]]
    presumed_outcome = [outcome] if timing.order == "unstated" else []
    blocks = [first, [treatment, *sides["unknown"]], [*last, outcome]]
    return replace(
        timing,
        before=first,
        after=last,
        unknown=sides["unknown"],
        order="stated",
        presumes=[block for block in blocks if block],
        usual=(sides["before"], [*sides["after"], *presumed_outcome]),
    )


def read_timing(
    knowledge: Knowledge,
    schema: TableSchema,
    request: EstimateRequest,
    outcome: str,
    records: Sequence[KnowledgeRecord] = (),
) -> ColumnTiming:
    """Return the timing of all learned columns.

    records: who stated the knowledge.

    Raises:
        InputError: as `check_statements`; the pointer names the first wrong entry.
    """
    names = [column.name for column in schema.learned()]
    _check_lists(knowledge, request, outcome, schema)
    blocks = request.blocks
    stated = with_blocks(knowledge, blocks, schema)
    timing, origin = stated_timing(stated, schema, request.treatment)
    if blocks:
        origin = {name: "request" if own == "tiers" else own for name, own in origin.items()}
    for name in request.dont_know:
        timing[name] = "unknown"
    for name in request.before:
        timing[name], origin[name] = "before", "request"
    for name in request.after:
        timing[name], origin[name] = "after", "request"
    orders: dict[Timing, Order] = {"before": "reversed", "after": "stated", "unknown": "unstated"}
    others = [name for name in names if name not in (request.treatment, outcome)]
    return ColumnTiming(
        before=[name for name in others if timing[name] == "before"],
        after=[name for name in others if timing[name] == "after"],
        unknown=[name for name in others if timing[name] == "unknown"],
        order=orders[timing[outcome]],
        statements=[*statements(request.treatment, timing, origin, records, request)],
        open=list(request.dont_know),
        blocks=_beside(stated.tiers, schema, request.treatment),
        pairs=_pairs(
            stated, schema, [name for name in names if timing[name] == "unknown"], outcome
        ),
    )


def stated_timing(
    knowledge: Knowledge, schema: TableSchema, treatment: str
) -> tuple[dict[str, Timing], dict[str, Origin]]:
    """Return the timing of each learned column by knowledge alone, and the origin of stated."""
    names = [column.name for column in schema.learned()]
    known = read_knowledge(knowledge, schema, names).before
    at = names.index(treatment)
    timing: dict[str, Timing] = dict.fromkeys(names, "unknown")
    origin: dict[str, Origin] = {}
    tier = {name: i for i, tier in enumerate(knowledge.tiers) for name in tier}
    background = {name for tier in knowledge.confirmed for name in tier}
    for i, name in enumerate(names):
        if known[i, at] or known[at, i]:
            timing[name] = "before" if known[i, at] else "after"
            in_tiers = name in tier and treatment in tier and tier[name] != tier[treatment]
            if name in background or treatment in background:
                origin[name] = "proposed"
            else:
                origin[name] = "tiers" if in_tiers else "required"
    return timing, origin


def statements(
    treatment: str,
    timing: dict[str, Timing],
    origin: dict[str, Origin],
    records: Sequence[KnowledgeRecord] = (),
    request: EstimateRequest | None = None,
) -> Iterator[Statement]:
    """Yield what was said, by origin, with the author and time of the request or the records."""
    for source in ORIGINS:
        said = [name for name in timing if timing[name] != "unknown" and origin[name] == source]
        before = [name for name in said if timing[name] == "before"]
        after = [name for name in said if timing[name] == "after"]
        for earlier, later in ((before, [treatment]), ([treatment], after)):
            if earlier and later:
                yield statement(earlier, later, source, records, request)


def statement(
    earlier: list[str],
    later: list[str],
    origin: Origin,
    records: Sequence[KnowledgeRecord],
    request: EstimateRequest | None,
) -> Statement:
    """Return what was said, and who stated what has this origin, when, and in which way."""
    said = Statement(earlier=earlier, later=later, origin=origin)
    if origin == "request":
        if request is not None and request.author is not None:
            said.author, said.time = request.author, request.stated_at
            said.author_kind = "client"
        return said
    parts = ("confirmed", "background") if origin == "proposed" else (origin,)
    found = next((record for part in parts for record in records if record.part == part), None)
    if found is not None:
        said.author, said.time = found.author, found.time
        said.author_kind = "automatic" if found.part == "background" else "client"
    return said


def _beside(blocks: Sequence[Sequence[str]], schema: TableSchema, treatment: str) -> list[str]:
    """Return the columns of the treatment's own block."""
    for block in blocks:
        names = [part for name in block for part in schema.parts_of(name)]
        if treatment in names:
            return [name for name in names if name != treatment]
    return []


def _pairs(
    knowledge: Knowledge, schema: TableSchema, unknown: Sequence[str], outcome: str
) -> frozenset[tuple[str, str]]:
    """Return the stated (earlier, later) among these columns and the outcome."""
    names = [column.name for column in schema.learned()]
    known = read_knowledge(knowledge, schema, names).before
    at = {name: names.index(name) for name in {*unknown, outcome}}
    return frozenset((a, b) for a in at for b in at if known[at[a], at[b]])


def _check_lists(
    knowledge: Knowledge, request: EstimateRequest, outcome: str, schema: TableSchema
) -> None:
    lists = {field: getattr(request, field) for field in LISTS}
    faults = chain(
        check_statements(lists, request.treatment, outcome, schema),
        check_blocks(request.blocks, schema),
        check_places(request.blocks, lists, request.treatment),
        check_edges(knowledge, request.blocks, schema),
    )
    refuse(faults, "A list of the question names a column that it cannot have.")

"""Which columns come before the treatment, which after it, and which nobody ordered.

The lists of the question count first, then what the model knows: tiers, required edges, confirmed
background. A column that none of them orders is unknown: tiers say nothing of columns outside them,
or of the treatment's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from simulacra_crds.tasks import EstimateRequest
from simulacra_intake.errors import refuse
from simulacra_schema.answers import AuthorKind, Origin, Statement
from simulacra_schema.questions.knowledge import Knowledge, KnowledgeRecord
from simulacra_schema.statements import LISTS, check_statements
from simulacra_schema.table import TableSchema
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
    """

    before: list[str]
    after: list[str]
    unknown: list[str]
    order: Order
    statements: list[Statement]


def read_timing(
    knowledge: Knowledge,
    schema: TableSchema,
    request: EstimateRequest,
    outcome: str,
    records: Sequence[KnowledgeRecord] = (),
) -> ColumnTiming:
    """Return the timing of all learned columns.

    Args:
        knowledge: of the model.
        schema: of the table.
        request: with valid treatment.
        outcome: column of the outcome.
        records: who stated the knowledge.

    Raises:
        InputError: as `check_statements`; the pointer names the first wrong entry.
    """
    names = [column.name for column in schema.learned()]
    _check_lists(request, outcome, schema)
    timing, origin = stated_timing(knowledge, schema, request.treatment)
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
        author, time, author_kind = _author(source, records, request)
        said = [name for name in timing if timing[name] != "unknown" and origin[name] == source]
        before = [name for name in said if timing[name] == "before"]
        after = [name for name in said if timing[name] == "after"]
        for earlier, later in ((before, [treatment]), ([treatment], after)):
            if earlier and later:
                yield Statement(
                    earlier=earlier,
                    later=later,
                    origin=source,
                    author=author,
                    time=time,
                    author_kind=author_kind,
                )


def _author(
    origin: Origin, records: Sequence[KnowledgeRecord], request: EstimateRequest | None
) -> tuple[str | None, datetime | None, AuthorKind | None]:
    """Return who stated what has this origin, when, and in which way."""
    if origin == "request":
        if request is None or request.author is None:
            return None, None, None
        return request.author, request.stated_at, "client"
    parts = ("confirmed", "background") if origin == "proposed" else (origin,)
    found = next((record for part in parts for record in records if record.part == part), None)
    if found is None:
        return None, None, None
    return found.author, found.time, "automatic" if found.part == "background" else "client"


def _check_lists(request: EstimateRequest, outcome: str, schema: TableSchema) -> None:
    lists = {field: getattr(request, field) for field in LISTS}
    faults = check_statements(lists, request.treatment, outcome, schema)
    refuse(faults, "A list of the question names a column that it cannot have.")

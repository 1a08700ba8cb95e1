"""Contrasts of a sheet: which columns are levers, and which two values of each are compared."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_crds.tasks import EstimateRequest, SheetRequest
from simulacra_intake.arrow_values import as_floats, codes_of
from simulacra_intake.rows_of_persons import Ints, persons_in
from simulacra_schema.background import propose_background
from simulacra_schema.questions.knowledge import with_blocks
from simulacra_schema.questions.sheet import MAX_LEVERS, SheetLever
from simulacra_schema.sheets import LeftOut
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.effects.column_timing import stated_timing
from simulacra_trainer.effects.models.blocks import around
from simulacra_trainer.effects.models.features import LEVEL_KINDS, levels_of
from simulacra_trainer.effects.overlap.support import MIN_ARM
from simulacra_trainer.graph import CausalGraph

Value = float | str
MAX_LEVELS = 3
"""Levels of a column without order that are compared with its most frequent one."""
MIN_LEVEL_SHARE = 0.02
"""Share of the known rows that a level must have to be compared, besides MIN_ARM rows."""
TAILS = (0.25, 0.1, 0.02)
"""Lower quantile that is compared with its mirror image, until the two differ."""
BACKGROUND = "It looks like background, which nothing can change. Name it in levers to ask anyway."
SAID_BEFORE = "You said that it was already so before any lever."
SAID_AFTER = "You said that it came after every lever."
OUTCOME_FIRST = "The model knows that the outcome came first."
ONE_VALUE = "Nearly everybody has the same value."
THIN_LEVELS = "No second value of it has enough people."
A_DATE = "It is a date."
TOO_MANY = f"A sheet has {MAX_LEVERS} contrasts at most. Name it in levers to ask for it."


def read_levers(
    table: pa.Table, schema: TableSchema, graph: CausalGraph, request: SheetRequest, outcome: str
) -> tuple[list[EstimateRequest], list[LeftOut]]:
    """Return the contrasts of the levers that were named, or of all that may be one, and the rest.

    The choice among all levers is by the table's order, never by the data of the outcome: intervals
    of chosen winners would not hold.

    request: checked against the schema; outcome: its column.
    """
    levers = list(request.levers)
    left: list[LeftOut] = []
    if not levers:
        for column in schema.learned():
            if column.name == outcome:
                continue
            reason = _no_lever(column, schema, graph, request, outcome)
            if reason is None:
                levers.append(SheetLever(column=column.name))
            else:
                left.append(LeftOut(column=column.name, reason=reason))
    asked: list[EstimateRequest] = []
    for lever in levers:
        pairs = [*_pairs(table, schema, lever)]
        if not pairs:
            reason = ONE_VALUE if schema.column(lever.column).is_numeric else THIN_LEVELS
            left.append(LeftOut(column=lever.column, reason=reason))
        elif len(asked) + len(pairs) > MAX_LEVERS:
            left.append(LeftOut(column=lever.column, reason=TOO_MANY))
        else:
            asked += [_question(request, lever, *pair) for pair in pairs]
    return asked, left


def _no_lever(
    column: ColumnSchema,
    schema: TableSchema,
    graph: CausalGraph,
    request: SheetRequest,
    outcome: str,
) -> str | None:
    """Return why a column is no lever by itself; None if it may be one."""
    name = column.name
    if name in request.before:
        return SAID_BEFORE
    if name in request.after:
        return SAID_AFTER
    if column.kind == "datetime":
        return A_DATE
    knowledge = with_blocks(graph.knowledge, request.blocks, schema)
    background = {name for tier in knowledge.confirmed for name in tier}
    if name in background | {found.column for found in propose_background(schema)}:
        return BACKGROUND
    if stated_timing(knowledge, schema, name)[0][outcome] == "before":
        return OUTCOME_FIRST
    return None


def _question(
    request: SheetRequest, lever: SheetLever, value: Value, baseline: Value
) -> EstimateRequest:
    """Return the question about one contrast; the lever's own lists count before the sheet's."""
    own = {lever.column, *lever.before, *lever.after}
    return EstimateRequest(
        treatment=lever.column,
        value=value,
        baseline=baseline,
        outcome=request.outcome,
        before=[*lever.before, *_besides(request.before, own)],
        after=[*lever.after, *_besides(request.after, own)],
        dont_know=_besides(request.dont_know, own),
        blocks=request.blocks,
        population=request.population,
        author=request.author,
        stated_at=request.stated_at,
    )


def _besides(names: Sequence[str], own: set[str]) -> list[str]:
    return [name for name in names if name not in own]


def _pairs(
    table: pa.Table, schema: TableSchema, lever: SheetLever
) -> Iterator[tuple[Value, Value]]:
    """Yield value and baseline of each contrast of a lever."""
    column = schema.column(lever.column)
    if lever.value is not None and lever.baseline is not None:
        yield lever.value.value, lever.baseline.value
    elif column.kind not in LEVEL_KINDS:
        yield from _number_pair(as_floats(table.column(lever.column)), persons_in(table, schema))
    else:
        positions = codes_of(table.column(lever.column))
        levels = levels_of(table, lever.column)
        if column.kind == "ordinal":
            yield from _order_pair(np.sort(positions[positions >= 0]), levels)
        else:
            counts = np.bincount(positions[positions >= 0], minlength=len(levels))
            yield from _level_pairs(counts, levels, is_boolean=column.kind == "boolean")


def _number_pair(
    values: npt.NDArray[np.float64], persons: Ints | None
) -> Iterator[tuple[float, float]]:
    is_known = ~np.isnan(values)
    known, persons = values[is_known], None if persons is None else persons[is_known]
    if not known.size:
        return
    distinct = np.unique(known)
    if distinct.size == 2:
        yield float(distinct[1]), float(distinct[0])
        return
    for tail in TAILS:
        low, high = (around(known, share, persons) for share in (tail, 1.0 - tail))
        if low < high:
            yield high, low
            return


def _order_pair(
    positions: np.typing.NDArray[np.int64], levels: list[str]
) -> Iterator[tuple[str, str]]:
    """Yield the middle levels of the top and of the bottom third."""
    if not positions.size:
        return
    for share in (1 / 6, 1 / 20, 0.0):
        low, high = np.quantile(positions, (share, 1.0 - share), method="nearest")
        if low < high:
            yield levels[int(high)], levels[int(low)]
            return


def _level_pairs(
    counts: np.typing.NDArray[np.int64], levels: list[str], *, is_boolean: bool
) -> Iterator[tuple[str, str]]:
    if is_boolean and counts.all() and set(levels) == {"true", "false"}:
        yield "true", "false"
        return
    least = max(MIN_ARM, MIN_LEVEL_SHARE * int(counts.sum()))
    order = np.argsort(-counts, kind="stable")
    for at in order[1 : 1 + MAX_LEVELS]:
        if counts[at] >= least:
            yield levels[int(at)], levels[int(order[0])]

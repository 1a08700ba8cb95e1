"""The entry point of a completion."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.output.restore import restore
from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_schema.completion import (
    IMPLICATE,
    ROW,
    CompletionReport,
    FilledColumn,
    GivenOptions,
    Held,
    SeenHalf,
)
from simulacra_trainer.completion.asked_pairs import plan_pairs
from simulacra_trainer.completion.gaps import Plan, plan_gaps
from simulacra_trainer.completion.given_rows import GivenRows
from simulacra_trainer.completion.measure import common_columns, seen_half, untold, worth
from simulacra_trainer.completion.models import Fillings, check, fill_all
from simulacra_trainer.completion.pairs import answer_pairs
from simulacra_trainer.families.base import Progress, no_progress
from simulacra_trainer.pipeline.privacy_tuning import STRENGTHS
from simulacra_trainer.trained_model import TrainedModel

OWN_STRENGTH, OTHER_STRENGTH = STRENGTHS[0], STRENGTHS[2]
"""Scale and penalty. Donors' answers go onto other people's rows at the second, or weaker."""
FEW_CHECKED = 20
LITTLE_WORTH = 50.0


@dataclass(frozen=True)
class Completion:
    """Filled cells, and the report on them.

    Attributes:
        filled: a row for each given row with a gap and each implicate: `row` (int64, from 0, in
            the order of the given rows), `implicate` (int32, from 1), then the filled columns in
            the types of the donors' upload. A cell is null where the given row has no gap, or
            where it was left empty.
        report: what was filled, its worth and its checks (artifact completion.json).
    """

    filled: pa.Table
    report: CompletionReport


def complete(
    trained: TrainedModel,
    given: GivenRows | None,
    options: GivenOptions | None = None,
    *,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Completion:
    """Fill the gaps of given rows; the same model, rows, options and seed give the same cells.

    Args:
        trained: the model, whose table has the donors.
        given: rows from `read_given`; None for the gaps of the donors' own table.
        options: columns, implicates and what counts as a gap.
        seed: of the halves and draws.
        progress: called with the share done.

    Raises:
        InputError: the model or the rows cannot be completed; all faults at once, in `errors`,
            with pointers from /given on.
    """
    options = options or GivenOptions()
    plan = plan_gaps(trained, given, options)
    asked = plan_pairs(trained, plan, given, options)
    strengths = _strengths(trained, plan)
    warnings = [] if plan.is_own else untold(plan, strengths[0], seed)
    privacy = None
    for strength in strengths:
        fillings = fill_all(plan.cells, plan.schema, strength, options.implicates, seed, progress)
        if plan.is_own:
            break
        strict = (trained.report.get("privacy") or {}).get("level") == "strict"
        privacy = seen_half(plan, fillings, strict=strict, seed=seed)
        if privacy.verdict == "passed":
            break
    held = check(plan.cells, plan.schema, strength, seed, rows=not plan.is_own)
    columns = [_column(trained, plan, fillings, j, held.get(j)) for j in plan.asked]
    pairs = [] if asked is None else answer_pairs(asked, strength, seed)
    unhelped = int(fillings.unhelped.sum())
    report = CompletionReport(
        rows=plan.rows,
        implicates=options.implicates,
        gaps=sum(one.gaps for one in columns),
        filled=sum(one.filled for one in columns),
        nested=plan.cells.is_nested,
        sweeps=fillings.sweeps,
        columns=columns,
        common=[] if plan.is_own else list(common_columns(plan)),
        privacy=privacy,
        pairs=pairs,
        warnings=[*warnings, *_warnings(columns, privacy, unhelped), *_unknown(given)],
    )
    filled = _filled(trained, plan, fillings, seed)
    progress(1.0)
    return Completion(filled, report)


def _strengths(trained: TrainedModel, plan: Plan) -> list[tuple[float, float]]:
    """Return scales and penalties to try, until filled rows are within the bar.

    The strongest for own gaps; else that of the model, 1 and 3 at most, then weaker ones.
    """
    if plan.is_own:
        return [OWN_STRENGTH]
    scale, penalty = OTHER_STRENGTH
    tuned = trained.figures
    scale = min(tuned.get("scale", scale), scale)
    penalty = max(tuned.get("penalty_nats", penalty), penalty)
    weaker = [(s, max(p, penalty)) for s, p in STRENGTHS if s < scale]
    return [(scale, penalty), *weaker]


def _column(
    trained: TrainedModel, plan: Plan, fillings: Fillings, j: int, held: tuple[float, int] | None
) -> FilledColumn:
    """Return what is reported of a filled column."""
    filled = [fillings.column(plan.cells, i, j) for i in range(len(fillings.packed))]
    gaps = plan.first + np.flatnonzero(plan.cells.gaps[j, plan.first :])
    empty = np.any([np.isnan(of[gaps]) for of in filled], axis=0)
    column = plan.schema.columns[j]
    found = worth(plan, fillings, j)
    return FilledColumn(
        column=column.name,
        gaps=empty.size,
        filled=int((~empty).sum()),
        left_empty=int(empty.sum()),
        skips=plan.left[j],
        donors=round(trained.table.num_rows * (1 - column.missing_share)),
        worth=None if found is None else round(found, 1),
        check=None if held is None or held[1] < FEW_CHECKED else Held(share=held[0], count=held[1]),
        converged=j not in fillings.moving,
    )


def _warnings(
    columns: list[FilledColumn], privacy: SeenHalf | None, unhelped: int
) -> Iterator[str]:
    """Yield the limits of a completion in plain words.

    unhelped: rows whose given cells alone break a stated rule.
    """
    for one in columns:
        if not one.converged:
            yield f"{one.column}: its mean still moved in the last sweep. Use it with care."
        if one.left_empty:
            yield f"{one.column}: {one.left_empty:,} gaps were left empty in some implicate."
        if one.worth is not None and one.worth < LITTLE_WORTH:
            yield f"{one.column}: worth {one.worth:.0f} respondents. Its intervals are wide."
    if unhelped:
        count = f"{unhelped:,}" if unhelped >= MIN_PERSONS else "Some"
        yield f"{count} rows break a rule by given cells alone. They are filled as learned."
    if privacy is not None and privacy.verdict == "failed":
        yield (
            f"Filled rows are nearer to the donors that were learned from ({privacy.nearness:.2f},"
            f" bar {privacy.bar:.2f}). Do not pass them on."
        )


def _unknown(given: GivenRows | None) -> list[str]:
    lost = {} if given is None else given.unknown
    return [f"{name}: {n:,} unknown levels were taken as missing." for name, n in lost.items()]


def _filled(trained: TrainedModel, plan: Plan, fillings: Fillings, seed: int) -> pa.Table:
    """Return the filled cells of all implicates in long form, in the types of the upload."""
    cells, names = plan.cells, {plan.schema.columns[j].name: j for j in plan.asked}
    gaps = cells.gaps[:, plan.first :]
    rows = np.flatnonzero(gaps[plan.asked].any(axis=0))
    kept = [c for c in trained.schema.columns if {part.name for part in c.parts()} & names.keys()]
    schema = trained.schema.model_copy(update={"columns": kept})
    first, second = (_free(name, [c.name for c in kept]) for name in (ROW, IMPLICATE))
    tables = []
    for i in range(1, len(fillings.packed) + 1):
        columns: dict[str, pa.Array] = {}
        given: dict[str, np.ndarray] = {}
        for column in kept:
            filled = np.zeros(rows.size, np.bool_)
            for part in column.parts():
                values = np.full(rows.size, np.nan)
                if (j := names.get(part.name)) is not None:
                    is_filled = gaps[j, rows]
                    whole = fillings.column(cells, i - 1, j)[plan.first :]
                    values[is_filled] = whole[rows[is_filled]]
                codec = next(c for c in cells.codecs if c.name == part.name)
                columns[part.name] = codec.to_arrow(values)
                filled |= ~np.isnan(values)
            given[column.name] = filled
        rng = np.random.default_rng([seed, 47, i])
        restored = restore(pa.table(columns), schema, rng=rng, real=trained.real_values)
        arrays = [
            pc.if_else(pa.array(given[name]), restored.column(name), None)
            for name in restored.column_names
        ]
        head = [pa.array(rows), pa.array(np.full(rows.size, i, np.int32))]
        tables.append(
            pa.Table.from_arrays([*head, *arrays], names=[first, second, *restored.column_names])
        )
    return pa.concat_tables(tables).unify_dictionaries()


def _free(name: str, taken: list[str]) -> str:
    while name in taken:
        name += "_"
    return name

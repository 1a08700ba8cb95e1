"""Raking: survey weights that bring the rows of an upload to stated shares of the population.

Weights are multiplied until all margins hold (iterative proportional fitting, Deming & Stephan,
1940; Deville, Saerndal & Sautory, 1993). Rows without an answer keep their share, so a target is
one of those who answered. Trimming caps the weights and rakes again until both hold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import with_values
from simulacra_intake.columns.weights import NOTE
from simulacra_intake.description.statements import Problems, Statements
from simulacra_intake.limits import MIN_ROWS
from simulacra_intake.replicate_weights import replicates_in
from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_intake.survey_weights import Floats, Ints, effective_rows
from simulacra_schema.description_parts import EXTENSION
from simulacra_schema.quota_checks import as_conditions, check_targets
from simulacra_schema.quotas import Quota
from simulacra_schema.several_answers import expand_conditions
from simulacra_schema.table import CleaningNote, ColumnSchema, TableSchema
from simulacra_schema.targets import TargetedShares, Targets
from simulacra_trainer.conditions.cells import Cells, ShareCondition, find_cells
from simulacra_trainer.conditions.margins import rake
from simulacra_trainer.conditions.quota_cells import meets_part

CLOSE = 1e-7
"""Largest error of a share, 0..1."""
SWEEPS, SWEEPS_OF_REPLICATES, TRIMS = 3_000, 300, 300
FEW_EFFECTIVE, LARGE = 0.3, 10.0
"""Effective share of the rows below which, and multiple of the median above which, we warn."""
SHOWN = 5
NAME = "raked weight"
RAKED = "raked to the stated shares of {columns}: {rows} rows are worth {worth:.3g} of equal weight"
TRIMMED = "no weight is above {trim:g} times the mean: {rows} were trimmed"
FEW = "the targets leave less than 30 % effective rows: check them, or state trim"
MUCH = "the largest weights are above 10 times the median: check the targets, or state trim"
_BOUNDS = "A target is one share; give share instead of min and max."
_NOBODY = "Nobody with a weight has {words}, so no weights reach its share; merge it, or leave out."
_NO_REST = (
    "The shares leave nothing for {words}, which rows have. Name all, or leave these rows out of"
    " the upload."
)
_CONFLICT = (
    "No weights of these rows meet all targets: {words} comes to {found:.3g} % instead of"
    " {share:.3g} %. Change it or the others, or merge rare levels."
)
_TRIM = "No weights of at most {trim:g} times the mean meet the targets; raise it, or merge levels."
_EFFECTIVE = "The targets leave {worth:.1f} effective rows of {rows} (Kish); {least} are needed."


@dataclass(frozen=True)
class TargetClasses:
    """A target as classes of the rows.

    Attributes:
        paths: of each class, below `targets`.
        words: what each class is, for errors.
        codes: class of each row, int64 [n]; the last one holds rows without an answer.
        shares: of the classes among those who answered, float64 [classes - 1].
    """

    paths: Sequence[tuple[str | int, ...]]
    words: Sequence[str]
    codes: Ints
    shares: Floats


def margins_of(
    table: pa.Table, schema: TableSchema, targets: TargetedShares
) -> list[TargetClasses]:
    """Return the margins of checked targets over a clean table."""
    asked = expand_conditions(as_conditions(targets), schema)
    found = []
    for name, levels in asked.categorical.items():
        shares = ShareCondition(name, list(levels), np.array(list(levels.values())))
        missing = table.column(name).is_null().to_numpy()
        codes = np.where(missing, len(levels) + 1, shares.classify(table))
        at = ("categorical", name)
        paths = [*((*at, level) for level in levels), at]
        others = [one for one in schema.column(name).level_values() if one not in levels]
        rest = f'the other levels of "{name}" ({", ".join(others[:SHOWN])})'
        words = [*(f'"{name}" "{level}"' for level in levels), rest]
        found.append(TargetClasses(paths, words, codes, shares.targets))
    for place, quota in enumerate(asked.quotas):
        words = [quota.words(), f"rows outside of {quota.words()}"]
        share = quota.bounds[0]
        codes = _in_out_unknown(quota, table)
        found.append(
            TargetClasses([("quotas", place)] * 2, words, codes, np.array([share, 1 - share]))
        )
    return found


def cells_of(margins: Sequence[TargetClasses], rows: int) -> Cells:
    """Return the combinations of classes that rows have."""
    sizes = [one.shares.size + 1 for one in margins]
    return find_cells([one.codes for one in margins], sizes, rows)


def raked_weights(
    margins: Sequence[TargetClasses], cells: Cells, start: Floats, trim: float | None, sweeps: int
) -> tuple[Floats, Floats]:
    """Return raked weights with the sum of the start, and the error of each class.

    start: weights, float64 [n]; trim: largest weight, as a multiple of the mean; sweeps: of one
    raking.

    Returns:
        float64 [n], and the found less the wanted shares of all rows, float64 [classes].
    """
    total, targets = start.sum(), []
    for one in margins:
        known = start[one.codes < one.shares.size].sum() / total
        targets.append(np.append(one.shares * known, 1.0 - known))
    wanted, size = np.concatenate(targets), cells.weight.size
    cap = np.inf if trim is None else trim * total / start.size
    weights = start
    for _ in range(1 if trim is None else TRIMS):
        weights = np.minimum(weights, cap)
        before = np.bincount(cells.of_row, weights, size).astype(np.float64)
        after, _ = rake(cells, before, wanted, sweeps)
        factor = np.divide(after * total, before, out=np.zeros(size), where=before > 0)
        weights = weights * factor[cells.of_row]
        if weights.max() <= cap * (1.0 + CLOSE):
            break
    found = cells.margins(np.bincount(cells.of_row, weights, size) / weights.sum())
    return weights, found - wanted


def with_targets(
    table: pa.Table, schema: TableSchema, statements: Statements
) -> tuple[pa.Table, TableSchema]:
    """Return a clean table whose weights and replicate weights are raked to the stated targets.

    Without stated weights all rows start alike, and the table gets a column of weights.

    Raises:
        InputError: targets that contradict one another or the data, each with its pointer.
    """
    problems = statements.problems
    targets = problems.description.extension.targets
    if targets is None:
        return table, schema
    for path, detail in _faults(targets, schema):
        problems.add((EXTENSION, "targets", *path), detail)
    problems.raise_any()
    margins = margins_of(table, schema, targets)
    cells = cells_of(margins, table.num_rows)
    stated = schema.weight()
    start = np.ones(table.num_rows) if stated is None else table.column(stated.name).to_numpy()
    for path, detail in _unreachable(margins, start):
        problems.add((EXTENSION, "targets", *path), detail)
    problems.raise_any()
    free, off = raked_weights(margins, cells, start, None, SWEEPS)
    weights = free
    _check_close(margins, off, problems)
    if targets.trim is not None:
        weights, off = raked_weights(margins, cells, start, targets.trim, SWEEPS)
        if np.abs(off).max() > CLOSE or weights.max() > targets.trim * weights.mean() * (1 + 1e-4):
            problems.add((EXTENSION, "targets", "trim"), _TRIM.format(trim=targets.trim))
            problems.raise_any()
    worth = effective_rows(weights)
    if worth < MIN_ROWS:
        detail = _EFFECTIVE.format(worth=worth, rows=weights.size, least=MIN_ROWS)
        problems.add((EXTENSION, "targets"), detail)
        problems.raise_any()
    notes = [*_notes(targets, free, weights)]
    table, schema = _with_weights(table, schema, weights, notes, targets)
    return _replicates_raked(table, schema, margins, cells, float(start.sum())), schema


def _faults(targets: Targets, schema: TableSchema) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield what schema and arithmetic say against targets, each with its path."""
    for path, fault in check_targets(targets, schema):
        yield path, fault.detail
    for place, quota in enumerate(targets.quotas):
        if quota.share is None and (quota.min, quota.max) != (None, None):
            yield ("quotas", place), _BOUNDS


def _in_out_unknown(quota: Quota, table: pa.Table) -> Ints:
    """Return 0 for rows of a cell, 1 outside, 2 where a missing answer leaves it open."""
    outside, unknown = np.zeros((2, table.num_rows), np.bool_)
    for name, part in quota.where.items():
        missing = table.column(name).is_null().to_numpy()
        outside |= ~meets_part(table, name, part) & ~missing
        unknown |= missing
    return np.where(outside, 1, np.where(unknown, 2, 0)).astype(np.int64)


def _unreachable(
    margins: Sequence[TargetClasses], start: Floats
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield classes with a share and nobody, and classes of rows that get none."""
    for margin in margins:
        held = np.bincount(margin.codes, start, margin.shares.size + 1)[:-1] > 0
        for at, (share, has) in enumerate(zip(margin.shares, held, strict=True)):
            if share > 0 and not has:
                yield margin.paths[at], _NOBODY.format(words=margin.words[at])
            elif has and share <= 0:
                yield margin.paths[at], _NO_REST.format(words=margin.words[at])


def _check_close(margins: Sequence[TargetClasses], off: Floats, problems: Problems) -> None:
    """Raise with the target that is furthest from its share, if one is not met."""
    if np.abs(off).max() <= CLOSE:
        return
    classes = [(one, k) for one in margins for k in range(one.shares.size + 1)]
    is_target = [k < one.shares.size and one.shares[k] >= 0 for one, k in classes]
    at = int(np.argmax(np.abs(off) * is_target))
    margin, target = classes[at]
    share = 100.0 * float(margin.shares[target])
    detail = _CONFLICT.format(
        words=margin.words[target], found=share + 100.0 * float(off[at]), share=share
    )
    problems.add((EXTENSION, "targets", *margin.paths[target]), detail)
    problems.raise_any()


def _replicates_raked(
    table: pa.Table,
    schema: TableSchema,
    margins: Sequence[TargetClasses],
    cells: Cells,
    total: float,
) -> pa.Table:
    """Return the table with replicates raked alike, each to the sum of the weights."""
    replicates = replicates_in(table, schema)
    if replicates is None or schema.targets is None:
        return table
    trim = schema.targets.trim
    for column, start in zip(schema.replicate_weights(), replicates.T, strict=True):
        found, _ = raked_weights(margins, cells, start, trim, SWEEPS_OF_REPLICATES)
        table = with_values(table, column.name, pa.array(found * (total / found.sum())))
    return table


def _notes(targets: Targets, free: Floats, weights: Floats) -> Iterator[str]:
    yield NOTE
    columns, worth = ", ".join(targets.columns()), effective_rows(weights)
    yield RAKED.format(columns=columns, rows=weights.size, worth=worth)
    if targets.trim is not None:
        above = free > targets.trim * free.mean()
        rows = f"{100.0 * float(above.mean()):.2g} % of the rows"
        if 0 < above.sum() < MIN_PERSONS:
            rows = f"fewer than {MIN_PERSONS} rows"
        yield TRIMMED.format(trim=targets.trim, rows=rows)
    if worth < FEW_EFFECTIVE * weights.size:
        yield FEW
    if weights.max() > LARGE * np.median(weights[weights > 0]):
        yield MUCH


def _with_weights(
    table: pa.Table, schema: TableSchema, weights: Floats, notes: Sequence[str], targets: Targets
) -> tuple[pa.Table, TableSchema]:
    """Return table and schema with the weights in the stated column, else in one of their own."""
    stated = schema.weight()
    name = NAME if stated is None else stated.name
    while stated is None and schema.find(name) is not None:
        name += " "
    column = ColumnSchema(name=name, kind="weight", learned=False, storage="double")
    column = (stated or column).model_copy(
        update={"minimum": float(weights.min()), "maximum": float(weights.max())}
    )
    if name in table.column_names:
        table = with_values(table, name, pa.array(weights))
    else:
        table = table.append_column(name, pa.array(weights))
    columns = [column if one.kind == "weight" else one for one in schema.columns]
    told = [CleaningNote(column=name, action=one) for one in notes]
    kept = [one for one in schema.cleaning if (one.column, one.action) != (name, NOTE)]
    update = {
        "columns": columns if stated is not None else [*columns, column],
        "cleaning": [*kept, *told],
        "targets": targets,
    }
    return table, schema.model_copy(update=update)

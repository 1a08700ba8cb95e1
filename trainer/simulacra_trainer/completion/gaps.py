"""What is to be filled: the columns, their gaps, and why a completion is refused."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_intake.survey_weights import row_weights
from simulacra_schema.completion import (
    MAX_FILLED_CELLS,
    MAX_GIVEN_ROWS,
    MAX_MIXED_COLUMNS,
    MIN_DONORS,
    GivenOptions,
)
from simulacra_schema.did_you_mean import closest
from simulacra_schema.faults import FieldError
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.completion.cells import Booleans, Cells, encoded, find_skips
from simulacra_trainer.completion.given_rows import GivenRows, fault, invalid
from simulacra_trainer.families.codec import ColumnCodec, Floats, fit_column
from simulacra_trainer.families.forest.growth.feature_screen import Screen
from simulacra_trainer.trained_model import TrainedModel

MOSTLY = 0.5
"""Share of a number's gaps that its special codes explain, from which all gaps are codes."""


@dataclass(frozen=True)
class Plan:
    """What a completion fills.

    Attributes:
        cells: donors and given rows.
        schema: of the columns that are used, in the order of the cells.
        asked: places of the columns in the answer.
        first: the first row of the answer: 0 for the donors' own gaps, else after the donors.
        left: rows that are no gaps because the question was skipped, int64 [p].
    """

    cells: Cells
    schema: TableSchema
    asked: list[int]
    first: int
    left: list[int]

    @property
    def is_own(self) -> bool:
        """Whether the donors' own gaps are filled."""
        return self.first == 0

    @property
    def rows(self) -> int:
        """Rows of the answer."""
        return self.cells.rows - self.first


def plan_gaps(trained: TrainedModel, given: GivenRows | None, options: GivenOptions) -> Plan:
    """Return the gaps to fill.

    Raises:
        InputError: all that stands against the completion, at once.
    """
    schema, donors = trained.schema, trained.table
    faults = _of_model(trained)
    faults += _of_names(options, schema)
    rows = donors.num_rows if given is None else given.table.num_rows
    if rows > MAX_GIVEN_ROWS:
        faults.append(fault(f"More than {MAX_GIVEN_ROWS:,} rows. Send them in parts."))
    if faults:
        raise invalid(faults)
    columns = _used(schema, given, options)
    part = _part_of(schema, columns)
    place = {column.name: j for j, column in enumerate(columns)}
    weights = row_weights(donors, schema)
    codecs = [fit_column(donors.column(c.name), c, None, weights)[0] for c in columns]
    own = [codec.values(donors.column(codec.name)) for codec in codecs]
    no_gap = [_codes(donors, schema, c, options, own[j]) for j, c in enumerate(columns)]
    values, kept = own, no_gap
    if given is not None:
        values, kept = _with_given(given, codecs, own, no_gap, columns, options)
    gaps = np.stack([np.isnan(of) & ~code for of, code in zip(values, kept, strict=True)])
    _keep_zeros(part, place, values, gaps)
    codes = encoded(codecs, own)
    skips = find_skips(codecs, own, codes)
    left = np.zeros(len(columns), np.int64)
    first = 0 if given is None else donors.num_rows
    for j, skip in skips.items():
        skipped = skip.rows(values[skip.filter]) & gaps[j] & ~gaps[skip.filter]
        gaps[j] &= ~skipped
        left[j] = skipped[first:].sum()
    names = None if options.columns is None else _parts(schema, options.columns)
    targets = _targets(part, place, gaps[:, first:], names)
    gaps[[j for j in range(len(columns)) if j not in targets]] = False
    cells = Cells(codecs, values, gaps, donors.num_rows, weights, skips, Screen(codes))
    plan = Plan(cells, part, sorted(targets), first, left.tolist())
    faults = _of_size(plan, options)
    if faults:
        raise invalid(faults)
    return plan


def _of_model(trained: TrainedModel) -> list[FieldError]:
    """Return why this model completes nothing."""
    found = []
    if "epsilon" in trained.figures:
        found.append(fault("A model with epsilon completes no rows. Fit one without epsilon."))
    if trained.schema.subject() is not None:
        found.append(fault("The rows of the model belong to persons with several rows."))
    return found


def _of_names(options: GivenOptions, schema: TableSchema) -> list[FieldError]:
    """Return the columns that cannot be asked for."""
    names = [c.name for c in schema.learned()] + [c.name for c in schema.columns if c.learned]
    computed = {one.column: one.of for one in schema.computed()}
    found = []
    for i, name in enumerate(options.columns or ()):
        column = schema.find(name)
        if column is None:
            detail = f'"{name}" is not a column of the model.{closest(name, names)}'
        elif name not in names:
            detail = f'"{name}" is not filled: it is a key, personal data, free text or constant.'
        elif name in computed:
            detail = f'"{name}" follows from {", ".join(computed[name][:3])}. Name these instead.'
        else:
            continue
        found.append(fault(detail, "columns", i))
    return found


def _used(
    schema: TableSchema, given: GivenRows | None, options: GivenOptions
) -> list[ColumnSchema]:
    """Return the columns that the given rows have or that are to be filled."""
    learned = schema.learned()
    if given is None or options.columns is None:
        return learned
    names = {*given.table.column_names, *_parts(schema, [*options.columns, *options.in_pairs])}
    return [c for c in learned if c.name in names]


def _parts(schema: TableSchema, names: list[str]) -> set[str]:
    return {part for name in names for part in [name, *schema.parts_of(name)]}


def _part_of(schema: TableSchema, columns: list[ColumnSchema]) -> TableSchema:
    """Return the schema of these columns, with the relations among them."""
    names = {c.name for c in columns}
    kept = [one for one in schema.relations if names.issuperset({one.column, *one.of})]
    return schema.model_copy(update={"columns": columns, "relations": kept})


def _codes(
    table: pa.Table,
    schema: TableSchema,
    column: ColumnSchema,
    options: GivenOptions,
    values: Floats,
) -> Booleans:
    """Return the donors' cells with a special code, which stay; with `fill_codes`, they are gaps.

    Special levels, which are values, become missing there.
    """
    rows = np.zeros(table.num_rows, np.bool_)
    if options.fill_codes:
        if pa.types.is_dictionary(table.schema.field(column.name).type):
            values[np.isin(values, _special(column))] = np.nan
        return rows
    if column.code_column in table.column_names:
        return np.asarray(table.column(column.code_column).is_valid())
    told = sum(one.share for one in column.specials)
    if told and told >= MOSTLY * column.missing_share:
        return np.isnan(values)
    return rows


def _special(column: ColumnSchema) -> list[int]:
    """Return the places of special levels."""
    return [i for i, level in enumerate(column.levels) if level.special]


def _with_given(
    given: GivenRows,
    codecs: list[ColumnCodec],
    own: list[Floats],
    no_gap: list[Booleans],
    columns: list[ColumnSchema],
    options: GivenOptions,
) -> tuple[list[Floats], list[Booleans]]:
    """Return values and special codes of the donors with those of the given rows behind them."""
    rows = given.table.num_rows
    values, kept = [], []
    for codec, mine, codes, column in zip(codecs, own, no_gap, columns, strict=True):
        theirs, of_theirs = np.full(rows, np.nan), np.zeros(rows, np.bool_)
        if codec.name in given.table.column_names:
            theirs = codec.values(given.table.column(codec.name))
        if options.fill_codes:
            if codec.is_category:
                theirs = np.where(np.isin(theirs, _special(column)), np.nan, theirs)
        elif codec.name in given.codes:
            of_theirs = given.codes[codec.name] & np.isnan(theirs)
        values.append(np.concatenate([mine, theirs]))
        kept.append(np.concatenate([codes, of_theirs]))
    return values, kept


def _keep_zeros(
    schema: TableSchema, place: Mapping[str, int], values: list[Floats], gaps: Booleans
) -> None:
    """Take out parts that are missing beside their total, where a missing part counts as 0."""
    for one in schema.computed():
        if one.missing_as_zero:
            known = ~np.isnan(values[place[one.column]])
            for part in one.of:
                gaps[place[part]] &= ~known


def _targets(
    schema: TableSchema, place: Mapping[str, int], gaps: Booleans, names: set[str] | None
) -> set[int]:
    """Return the places to fill: those asked for, and what is computed from them.

    names: of the columns asked for; None for all.
    """
    some = {j for j in range(len(gaps)) if gaps[j].any()}
    if names is None:
        return some
    chosen = {place[name] for name in names if name in place}
    for one in schema.computed():
        if chosen & {place[name] for name in one.of}:
            chosen.add(place[one.column])
    return chosen & some


def _of_size(plan: Plan, options: GivenOptions) -> list[FieldError]:
    """Return what is too few or too much to fill."""
    cells, found = plan.cells, []
    targets = cells.targets
    if not plan.asked:
        found.append(fault("The given rows have no gap in these columns."))
    for j in targets:
        known = int((~np.isnan(cells.values[j][: cells.donors])).sum())
        if known < MIN_DONORS:
            name = cells.codecs[j].name
            found.append(fault(f"Fewer than {MIN_DONORS} donors answered {name}. Leave it out."))
    if not cells.is_nested and len(targets) > MAX_MIXED_COLUMNS:
        detail = (
            f"{len(targets)} columns have gaps of mixed pattern; at most {MAX_MIXED_COLUMNS} can be"
            " filled at once. Name some in columns."
        )
        found.append(fault(detail, "columns"))
    count = int(cells.gaps[plan.asked, plan.first :].sum()) * options.implicates
    if count > MAX_FILLED_CELLS:
        detail = (
            f"{count:,} cells to fill; at most {MAX_FILLED_CELLS:,}. Ask for fewer columns, rows or"
            " implicates."
        )
        found.append(fault(detail, "implicates"))
    return found


def rare_values(values: Floats) -> Floats:
    """Return the levels that fewer than MIN_PERSONS donors gave; they are never filled."""
    known, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    return np.asarray(known[counts < MIN_PERSONS])

"""The pairs that a completion is asked about: their columns, rows and statements."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats
from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_intake.survey_design import clusters_in
from simulacra_intake.survey_weights import effective_rows
from simulacra_schema.completion import (
    MAX_PAIRS,
    MIN_DONORS,
    MIN_TOGETHER,
    GivenOptions,
    ImpossibleCell,
    Pair,
    SignedPair,
)
from simulacra_schema.did_you_mean import closest
from simulacra_schema.faults import FieldError
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.completion.bounds import Cell, Stated
from simulacra_trainer.completion.cells import Booleans, Cells, Indices, encoded
from simulacra_trainer.completion.gaps import Plan
from simulacra_trainer.completion.given_rows import GivenRows, fault, invalid
from simulacra_trainer.completion.groups import Groups, of_levels, of_numbers
from simulacra_trainer.families.codec import CATEGORY_KINDS, Codes, ColumnCodec, Floats
from simulacra_trainer.families.forest.growth.feature_screen import Screen
from simulacra_trainer.trained_model import TrainedModel


@dataclass(frozen=True)
class AskedPair:
    """A pair of columns, by places of the cells.

    Attributes:
        through: the common columns.
        independent: whether the customer stated that nothing but these connects the two.
        stated: cells of which something is stated.
    """

    x: int
    y: int
    through: tuple[int, ...]
    independent: bool
    stated: Stated


@dataclass(frozen=True)
class PairPlan:
    """The pairs, and the cells that models learn from.

    Attributes:
        cells: donors and given rows: the columns of the completion, then those of pairs in groups;
            all rows count as donors.
        codes: of the cells, uint8 [columns, n].
        schema: of the columns of the completion, without relations.
        donors: the first rows.
        first: the first row of the answer.
        weights: of all rows, float64 [n]; 1 for given rows.
        units: persons or clusters, int64 [n].
        pairs: in the order in which they were named.
    """

    cells: Cells
    codes: Codes
    schema: TableSchema
    donors: int
    first: int
    weights: Floats
    units: Indices
    pairs: list[AskedPair]

    def together(self, pair: AskedPair) -> Booleans:
        """Return who answered both columns, bool [n]."""
        return ~np.isnan(self.cells.values[pair.x]) & ~np.isnan(self.cells.values[pair.y])


def plan_pairs(
    trained: TrainedModel, plan: Plan, given: GivenRows | None, options: GivenOptions
) -> PairPlan | None:
    """Return the pairs that are asked about; None if there are none.

    Raises:
        InputError: all that stands against them, at once.
    """
    named = [*options.all_pairs()]
    if not named:
        return None
    groups, faults = _grouped(trained, plan, given, named)
    if not faults:
        faults = _of_groups(plan, trained.schema, groups, named)
    if faults:
        raise invalid(faults)
    return _planned(trained, plan, groups, named)


def _grouped(
    trained: TrainedModel, plan: Plan, given: GivenRows | None, named: list[tuple[str, int, Pair]]
) -> tuple[dict[str, Groups], list[FieldError]]:
    """Return the columns of pairs in groups, and names that cannot be in a pair."""
    others = {} if given is None else given.others
    place = {codec.name: j for j, codec in enumerate(plan.cells.codecs)}
    found: dict[str, Groups] = {}
    faults = []
    if len({frozenset((pair.first, pair.second)) for _, _, pair in named}) > MAX_PAIRS:
        faults.append(fault(f"More than {MAX_PAIRS} pairs. Ask for them in parts.", "pairs"))
    for at, i, pair in named:
        if pair.first == pair.second:
            detail = f'"{pair.first}" stands twice in the pair. Name another column.'
            faults.append(fault(detail, at, i, "second"))
        for side, name in (("first", pair.first), ("second", pair.second)):
            if name in place:
                column = plan.schema.columns[place[name]]
                found[name] = _of_column(column, plan.cells.values[place[name]])
            elif name in others:
                lead = np.full(plan.cells.donors, np.nan)
                found[name] = _of_array(name, others[name], lead)
            else:
                faults.append(fault(_unknown(name, trained.schema, place, given), at, i, side))
    return found, faults


def _unknown(
    name: str, schema: TableSchema, place: Mapping[str, int], given: GivenRows | None
) -> str:
    names = () if given is None else given.names
    if schema.find(name) is not None or name in names:
        return f'"{name}" is not learned: it is a key, personal data, free text or constant.'
    near = closest(name, [*place, *names])
    return f'"{name}" is neither a column of the model nor one of the given rows.{near}'


def _of_column(column: ColumnSchema, values: Floats) -> Groups:
    if column.kind in CATEGORY_KINDS:
        ordered = column.ordered and column.kind != "categorical"
        return of_levels(column.name, values, column.level_values(), ordered=ordered)
    return of_numbers(column.name, values, dates=column.kind == "datetime")


def _of_array(name: str, array: pa.Array, lead: Floats) -> Groups:
    """Return a column that only the given rows have; lead: missing cells of the donors."""
    if pa.types.is_dictionary(array.type):
        places = array.indices.cast(pa.float64()).to_numpy(zero_copy_only=False)
        levels = array.dictionary.cast(pa.string()).to_pylist()
        values = np.concatenate([lead, places])
        return of_levels(name, values, levels, ordered=bool(array.type.ordered))
    dates = pa.types.is_timestamp(array.type)
    values = as_floats(array.cast(pa.timestamp("us")) if dates else array)
    return of_numbers(name, np.concatenate([lead, values]), dates=dates)


def _of_groups(
    plan: Plan, schema: TableSchema, groups: dict[str, Groups], named: list[tuple[str, int, Pair]]
) -> list[FieldError]:
    """Return what the answers have against the pairs."""
    faults, weights, donors = [], _weights(plan), plan.cells.donors
    for at, i, pair in named:
        x, y = groups[pair.first], groups[pair.second]
        known = [~np.isnan(of.values) for of in (x, y)]
        for side, one, rows in (("first", x, known[0]), ("second", y, known[1])):
            if rows.sum() < MIN_DONORS:
                detail = f"Fewer than {MIN_DONORS} respondents answered {one.name}."
                faults.append(fault(detail, at, i, side))
            elif len(one.levels) < 2:
                detail = f"{one.name} has no two groups of {MIN_PERSONS} persons."
                faults.append(fault(detail, at, i, side))
        both = (known[0] & known[1])[:donors]
        count = effective_rows(weights[:donors][both]) if both.any() else 0.0
        if count >= MIN_TOGETHER and all(schema.find(name) for name in (pair.first, pair.second)):
            detail = (
                f"{pair.first} and {pair.second} were answered together by {count:,.0f} persons of"
                " the model's table, which has their figure. Leave the pair out."
            )
            faults.append(fault(detail, at, i))
        if not plan.cells.answered_by_most(known, {pair.first, pair.second}):
            faults.append(fault("No column is answered beside both.", at, i))
        if isinstance(pair, ImpossibleCell | SignedPair):
            faults += _of_levels(pair, x, y, at, i)
    return faults


def _of_levels(
    pair: ImpossibleCell | SignedPair, x: Groups, y: Groups, at: str, i: int
) -> Iterator[FieldError]:
    """Yield levels that a statement cannot name, and a sign that needs some."""
    if pair.levels is None:
        for one in (x, y):
            if not one.ordered and len(one.levels) > 2:
                detail = f"The groups of {one.name} have no order. Name the two levels it is about."
                yield fault(detail, at, i, "levels")
        return
    for k, one in enumerate((x, y)):
        if pair.levels[k] not in one.levels:
            groups = ", ".join(f'"{name}"' for name in one.levels)
            detail = f'"{pair.levels[k]}" is none of the groups of {one.name}: {groups}.'
            yield fault(detail, at, i, "levels", k)


def _planned(
    trained: TrainedModel, plan: Plan, groups: dict[str, Groups], named: list[tuple[str, int, Pair]]
) -> PairPlan:
    cells, p = plan.cells, len(plan.cells.codecs)
    place = {name: p + k for k, name in enumerate(groups)}
    codecs = [*cells.codecs, *(_codec(of) for of in groups.values())]
    values = [*cells.values, *(of.values for of in groups.values())]
    codes = encoded(codecs, values)
    weights = _weights(plan)
    whole = replace(
        cells,
        codecs=codecs,
        values=values,
        gaps=np.zeros((len(codecs), cells.rows), np.bool_),
        donors=cells.rows,
        weights=None if cells.weights is None else weights,
        skips={},
        screen=Screen(codes),
    )
    units = np.arange(cells.rows, dtype=np.int64)
    found = clusters_in(trained.table, trained.schema)
    if found is not None:
        units[: cells.donors] = found[0]
        units[cells.donors :] += cells.donors
    pairs: dict[frozenset[str], AskedPair] = {}
    for at, _, pair in named:
        names = frozenset((pair.first, pair.second))
        if names not in pairs:
            known = [~np.isnan(groups[name].values) for name in (pair.first, pair.second)]
            through = tuple(plan.cells.answered_by_most(known, {pair.first, pair.second}))
            pairs[names] = AskedPair(
                place[pair.first], place[pair.second], through, False, Stated()
            )
        pairs[names] = _with_statement(pairs[names], pair, at, groups, place)
    schema = plan.schema.model_copy(update={"relations": []})
    return PairPlan(
        whole, codes, schema, cells.donors, plan.first, weights, units, [*pairs.values()]
    )


def _codec(of: Groups) -> ColumnCodec:
    codes = np.arange(1, len(of.levels) + 1, dtype=np.uint8)
    return ColumnCodec(of.name, "categorical", of.levels, codes, ordered=of.ordered)


def _with_statement(
    known: AskedPair, pair: Pair, at: str, groups: Mapping[str, Groups], place: Mapping[str, int]
) -> AskedPair:
    """Return a pair with one more statement, which may name its columns the other way round."""
    if at == "independent":
        return replace(known, independent=True)
    if not isinstance(pair, ImpossibleCell | SignedPair):
        return known
    x, y = groups[pair.first].levels, groups[pair.second].levels
    turned, stated = known.x != place[pair.first], known.stated

    def cell(a: int, b: int) -> Cell:
        return (b, a) if turned else (a, b)

    if pair.levels is not None:
        cells = [cell(x.index(pair.levels[0]), y.index(pair.levels[1]))]
        if isinstance(pair, ImpossibleCell):
            return replace(known, stated=replace(stated, never=(*stated.never, *cells)))
        above, below = (cells, []) if pair.sign == "positive" else ([], cells)
    else:
        last = len(x) - 1, len(y) - 1
        above, below = [(0, 0), last], [(0, last[1]), (last[0], 0)]
        if pair.sign == "negative":
            above, below = below, above
        above, below = [cell(*one) for one in above], [cell(*one) for one in below]
    both = {"above": (*stated.above, *above), "below": (*stated.below, *below)}
    return replace(known, stated=replace(stated, **both))


def _weights(plan: Plan) -> Floats:
    """Return the weights of all rows, float64 [n]; a given row counts as one person."""
    weights = np.ones(plan.cells.rows)
    if plan.cells.weights is not None:
        weights[: plan.cells.donors] = plan.cells.weights
    return weights

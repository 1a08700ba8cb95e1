"""Compute the columns that relations give from the others."""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import NUMBERS, as_floats, with_values
from simulacra_schema.table import COMPUTED, TRANSFORMED, RelationSchema, TableSchema
from simulacra_trainer.relations.decided import broken, with_decided
from simulacra_trainer.relations.differences import learned_schema
from simulacra_trainer.relations.groups import GROUPS, faults, members_of
from simulacra_trainer.relations.numbers import Floats
from simulacra_trainer.relations.picks import picked_values
from simulacra_trainer.relations.totals import sum_of
from simulacra_trainer.relations.transforms import transformed
from simulacra_trainer.relations.years import years_off

SHOWN = 5


def without_computed(schema: TableSchema) -> TableSchema:
    """Return the schema of what a family learns: without computed columns.

    Of the relations only names inside one another are left. Columns that follow from a difference
    are this difference (`as_differences`).
    """
    computed = {relation.column for relation in schema.computed()}
    kept = [c for c in learned_schema(schema).columns if c.name not in computed]
    return schema.model_copy(update={"columns": kept, "relations": schema.nested()})


def with_computed(
    table: pa.Table, schema: TableSchema, known: Collection[str] | None = None
) -> pa.Table:
    """Append the computed columns, in clean types, to rows of all learned ones.

    known: the columns that the rows have, if not all; only what follows from these is appended.
    """
    known = None if known is None else set(known)
    for relation in schema.computed():
        if known is None or known.issuperset(relation.of):
            values = computed_values(table, relation, schema)
            table = table.append_column(relation.column, values)
            if known is not None:
                known.add(relation.column)
    return table


def sources_of(schema: TableSchema) -> dict[str, set[str]]:
    """Return the learned columns that each computed one follows from."""
    found: dict[str, set[str]] = {}
    for relation in schema.computed():
        parts = (found.get(name, {name}) for name in relation.of)
        found[relation.column] = set().union(*parts)
    return found


def consistent(table: pa.Table, schema: TableSchema) -> pa.Table:
    """Return rows whose numbers were moved with their relations again.

    Computed and decided columns follow; rows in which a number is above its bound are left out.
    """
    names = set(table.column_names)
    for relation in schema.relations:
        if relation.implied or not {relation.column, *relation.of} <= names:
            continue
        if relation.kind == "decided":
            table = with_decided(table, relation)
        elif relation.kind not in COMPUTED:
            table = table.filter(pa.array(~breaks(table, relation, schema)))
        else:
            values = computed_values(table, relation, schema)
            table = with_values(table, relation.column, values)
    return table


def follow_moved(table: pa.Table, exact: pa.Table, schema: TableSchema) -> pa.Table:
    """Return a clean table whose computed columns follow from numbers that were moved inside.

    table: with the most extreme numbers moved, rows as in `exact`; schema: with the relations, each
    after those that give its operands.
    """
    moved = {}
    for relation in schema.computed():
        for name in (relation.column, *relation.of):
            if name not in moved:
                moved[name] = _differ(table.column(name), exact.column(name))
        changed = np.logical_or.reduce([moved[name] for name in (relation.column, *relation.of)])
        if changed.any():
            values = computed_values(table, relation, schema)
            kept = exact.column(relation.column).combine_chunks()
            followed = pc.if_else(pa.array(changed), values, kept)
            table = with_values(table, relation.column, followed)
        moved[relation.column] = changed
    return table


def _differ(values: pa.ChunkedArray, others: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Return where numbers differ, bool [n]; missing ones are alike, levels are never moved."""
    if pa.types.is_dictionary(values.type):
        return np.zeros(len(values), np.bool_)
    different = pc.fill_null(pc.not_equal(values, others), False)
    return np.asarray(different.to_numpy(), np.bool_)


def above(table: pa.Table, bound: RelationSchema) -> npt.NDArray[np.bool_]:
    """Return where a number is above its bound, bool [n]; a missing one is not."""
    low, high = (as_floats(table.column(name)) for name in (bound.column, *bound.of))
    with np.errstate(invalid="ignore"):
        return np.asarray(low > high)


def computed_values(table: pa.Table, relation: RelationSchema, schema: TableSchema) -> pa.Array:
    """Return the values of a computed column, rounded as the upload writes it."""
    column = schema.column(relation.column)
    if relation.kind == "picked":
        picked = {name: as_floats(table.column(name)) for name in relation.of[1:]}
        values = picked_values(table, relation, picked)
    else:
        parts = np.stack([as_floats(table.column(name)) for name in relation.of])
        values = _formula(relation, parts)
    decimals = 0 if column.kind == "integer" else column.decimals
    if decimals is not None:
        values = np.round(values, decimals)
    missing = ~np.isfinite(values)
    return pa.array(np.where(missing, 0, values), mask=missing).cast(NUMBERS[column.kind])


def _formula(relation: RelationSchema, parts: Floats) -> Floats:
    if relation.kind == "product":
        return np.asarray(relation.factor * parts[0] * parts[1])
    if relation.kind == "ratio":
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(relation.factor * parts[0] / parts[1])
    if relation.kind in TRANSFORMED:
        return transformed(relation, parts[0])
    total = sum_of(parts, np.array(relation.coefficients), as_zero=relation.missing_as_zero)
    return np.asarray(relation.constant + relation.factor * total)


def _listed(names: Sequence[str]) -> str:
    if len(names) > SHOWN:
        return f"{names[0]}, {names[1]}, …, {names[-1]} ({len(names)} columns)"
    return ", ".join(names)


def violations(table: pa.Table, relation: RelationSchema, schema: TableSchema) -> int:
    """Return in how many rows a relation does not hold."""
    return int(breaks(table, relation, schema).sum())


def breaks(table: pa.Table, relation: RelationSchema, schema: TableSchema) -> npt.NDArray[np.bool_]:
    """Return where a relation does not hold, with all its numbers present, bool [n]."""
    if relation.kind == "decided":
        return broken(table, relation)[0]
    if relation.kind == "not_above":
        return above(table, relation)
    if relation.kind == "years":
        return years_off(table, relation) != 0
    if relation.kind in GROUPS:
        return faults(table, relation, schema)
    column = schema.column(relation.column)
    expected = as_floats(computed_values(table, relation, schema))
    real = as_floats(table.column(relation.column))
    size = 10.0 ** -(column.decimals or 0) if column.kind == "numeric" else 1.0
    step = size if column.kind == "integer" or column.decimals is not None else 1e-6
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(expected - real) > 0.51 * step + 1e-9 * np.abs(real))


def sentence(relation: RelationSchema) -> str:
    """Return a relation as a formula that a person reads."""
    if relation.kind == "decided":
        return f"{relation.column} is decided by {' and '.join(relation.of)}"
    if relation.kind == "not_above":
        return f"{relation.column} ≤ {relation.of[0]}"
    if relation.kind == "all_different":
        return f"no two of {_listed(members_of(relation))} are alike"
    if relation.kind in GROUPS:
        count = "exactly" if relation.kind == "exactly_one" else "at most"
        return f"{count} one of {_listed(members_of(relation))} is yes"
    return f"{relation.column} = {formula(relation)}"


def formula(relation: RelationSchema) -> str:
    """Return how a column is computed; of many columns, the first two and the last."""
    names = relation.of
    if relation.kind == "years":
        end = names[1] if len(names) > 1 else f"{int(relation.constant)}"
        less = f", or up to {relation.slack // 12} less" if relation.slack > 11 else ""
        return f"years from {names[0]} to {end}{less}"
    if relation.kind == "picked":
        return f"one of {_listed(names[1:])}, by {names[0]}"
    if relation.kind in ("product", "ratio"):
        sign = "×" if relation.kind == "product" else "/"
        result = f"{names[0]} {sign} {names[1]}"
        return result if relation.factor == 1 else f"{relation.factor:g} × {result}"
    if relation.kind in ("square", "root"):
        return f"{names[0]} squared" if relation.kind == "square" else f"root of {names[0]}"
    if relation.kind == "logarithm":
        inside = f"{relation.constant:g} + {names[0]}" if relation.constant else names[0]
        return f"{'log' if relation.factor == 1 else 'log10'}({inside})"
    signed = [
        f"{'-' if sign < 0 else '+'} {name}"
        for sign, name in zip(relation.coefficients, names, strict=True)
    ]
    if len(signed) > SHOWN:
        signed = [*signed[:2], "+ …", signed[-1], f"({len(names)} columns)"]
    terms = " ".join(signed).removeprefix("+ ")
    if relation.factor != 1:
        return f"mean of {terms}"
    if not relation.constant:
        return terms
    return f"{relation.constant:g} {'' if terms.startswith('- ') else '+ '}{terms}"

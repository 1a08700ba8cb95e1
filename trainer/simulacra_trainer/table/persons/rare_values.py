"""Values of fewer than five persons, which are not learned as they are.

A word that few persons have is replaced by one of the others, drawn in proportion; numbers and
dates of the most extreme persons are moved inside. The schema, which the customer alone sees, keeps
the levels and limits of the upload.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_crds.contract.schema import ColumnSchema
from simulacra_trainer.persons import MIN_PERSONS, limits_of_persons, persons_a_group
from simulacra_trainer.table.columns.build import CleanColumn
from simulacra_trainer.table.columns.dates import coarsest_unit
from simulacra_trainer.table.persons.cells import Ints

_SEED = 29
Floats = npt.NDArray[np.float64]


def without_rare_values(column: CleanColumn, persons: Ints) -> CleanColumn:
    """Return a learned column without values that identify persons; persons: of each row, int64."""
    values, schema = column.values, column.schema
    if values is None or not schema.learned:
        return column
    if schema.kind == "categorical":
        return _without_rare_words(column, values, persons)
    if schema.kind == "multi":
        return _without_rare_options(column, values, persons)
    if schema.kind in ("integer", "numeric", "datetime"):
        return _within_limits(column, values, persons)
    return column


def all_rare(column: CleanColumn, persons: Ints) -> bool:
    """Return whether no word of a categorical column is of MIN_PERSONS persons or more."""
    if column.values is None or column.schema.kind != "categorical":
        return False
    codes = column.values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    known = codes >= 0
    counts = persons_a_group(codes[known], persons[known], len(column.schema.levels))
    return bool((counts < MIN_PERSONS).all())


def _without_rare_words(
    column: CleanColumn, values: pa.DictionaryArray, persons: Ints
) -> CleanColumn:
    schema = column.schema
    codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    known = codes >= 0
    count = len(schema.levels)
    rare = persons_a_group(codes[known], persons[known], count) < MIN_PERSONS
    if not rare.any() or rare.all():
        return column
    replaced = known & np.append(rare, False)[codes]
    others = codes[known & ~replaced]
    rng = np.random.default_rng([_SEED, len(codes)])
    # One draw for each word of a person, so that what is constant within persons stays so.
    pairs, pair = np.unique(persons * count + codes, return_inverse=True)
    codes = np.where(replaced, rng.choice(others, size=pairs.size)[pair.reshape(-1)], codes)
    result = CleanColumn(
        schema,
        pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), values.dictionary),
        [*column.notes],
    )
    result.note(
        f"words of fewer than {MIN_PERSONS} persons were replaced by others", int(replaced.sum())
    )
    return result


def _without_rare_options(
    column: CleanColumn, values: pa.StructArray, persons: Ints
) -> CleanColumn:
    """Set an option that few persons chose to "no"."""
    parts, lost = [], 0
    for part in values.flatten():
        codes = part.indices.fill_null(0).to_numpy(zero_copy_only=False)
        chosen = codes > 0
        if chosen.any() and len(np.unique(persons[chosen])) < MIN_PERSONS:
            lost += int(chosen.sum())
            missing = part.is_null().to_numpy(zero_copy_only=False)
            part = pa.DictionaryArray.from_arrays(
                pa.array(np.zeros_like(codes), mask=missing), part.dictionary
            )
        parts.append(part)
    if not lost:
        return column
    kept = pa.StructArray.from_arrays(parts, values.type.names)
    result = CleanColumn(column.schema, kept, [*column.notes])
    result.note(f"options of fewer than {MIN_PERSONS} persons were left out", lost)
    return result


def _within_limits(column: CleanColumn, values: pa.Array, persons: Ints) -> CleanColumn:
    """Draw the values of the most extreme persons from between the fifth and the tenth.

    Moved to the fifth person's, they would make that value common.
    """
    schema = column.schema
    is_time = pa.types.is_timestamp(values.type)
    numbers = values.cast(pa.int64()) if is_time else values
    known = numbers.is_valid().to_numpy(zero_copy_only=False)
    exact = numbers.fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64)
    outer = limits_of_persons(exact[known], persons[known], MIN_PERSONS)
    inner = limits_of_persons(exact[known], persons[known], 2 * MIN_PERSONS)
    below, above = known & (exact < outer[0]), known & (exact > outer[1])
    moved = int(below.sum() + above.sum())
    if not moved or not outer[0] <= inner[0] < inner[1] <= outer[1]:
        return column
    rng = np.random.default_rng([_SEED, exact.size])
    share = rng.random(int(persons.max(initial=0)) + 2)[persons]
    exact = np.where(below, outer[0] + share * (inner[0] - outer[0]), exact)
    exact = np.where(above, outer[1] - share * (outer[1] - inner[1]), exact)
    kept = CleanColumn(schema, _as(values.type, _rounded(exact, schema, numbers), known))
    kept.notes = [*column.notes]
    kept.note(f"values of the {MIN_PERSONS - 1} most extreme persons were moved inside", moved)
    return kept


def _rounded(exact: Floats, schema: ColumnSchema, numbers: pa.Array) -> Floats:
    """Return values with as many decimals, or on the unit of time, as the column has."""
    if schema.kind == "datetime":
        unit = coarsest_unit(numbers.drop_null().to_numpy(zero_copy_only=False))
        return np.round(exact / unit) * unit
    decimals = 0 if schema.kind == "integer" else schema.decimals
    return exact if decimals is None else np.round(exact, decimals)


def _as(kind: pa.DataType, exact: Floats, known: npt.NDArray[np.bool_]) -> pa.Array:
    if pa.types.is_floating(kind):
        return pa.array(exact, kind, mask=~known)
    return pa.array(exact.astype(np.int64), pa.int64(), mask=~known).cast(kind)

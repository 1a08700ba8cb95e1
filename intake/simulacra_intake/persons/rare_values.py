"""Values of fewer than five persons, which are not learned as they are.

Words of few persons become one level (`rare_words`), an option of several answers is left out, and
a code for no answer becomes a gap. Where persons have several rows, numbers and dates of the most
extreme ones are moved inside. A column of numbers of fewer than five persons is not learned.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.columns.parse.dates import coarsest_unit
from simulacra_intake.personal_data.people import People
from simulacra_intake.persons.cells import Ints
from simulacra_intake.persons.rare_words import unlisted, without_rare_words
from simulacra_intake.rows_of_persons import MIN_PERSONS, limits_of_persons
from simulacra_schema.table import ColumnSchema

_SEED = 29
Floats = npt.NDArray[np.float64]


def without_rare_values(column: CleanColumn, people: People) -> CleanColumn | None:
    """Return a learned column without values that identify persons; None if all do."""
    values, kind = column.values, column.schema.kind
    if values is None or not column.schema.learned:
        return column
    column = without_rare_codes(column, people)
    if pa.types.is_dictionary(values.type):
        return without_rare_words(column, values, people)
    if kind == "multi":
        return without_rare_options(column, values, people)
    if people.of(values.is_valid().to_numpy(zero_copy_only=False)) < MIN_PERSONS:
        return None
    if kind in ("integer", "numeric", "datetime") and people.persons is not None:
        return _within_limits(column, values, people.persons)
    return column


def without_rare_options(
    column: CleanColumn, values: pa.StructArray, people: People
) -> CleanColumn | None:
    """Return a column of several answers without options of few persons; None if none is left."""
    parts, kept, lost = values.flatten(), [], np.zeros(column.rows, np.bool_)
    for i, part in enumerate(parts):
        chosen = part.indices.fill_null(0).to_numpy(zero_copy_only=False) > 0
        if people.of(chosen) >= MIN_PERSONS:
            kept.append(i)
        else:
            lost |= chosen
    if len(kept) == len(parts):
        return column
    if not kept:
        return None
    names = [values.type.names[i] for i in kept]
    answers = pa.StructArray.from_arrays([parts[i] for i in kept], names)
    levels = [column.schema.levels[i] for i in kept]
    result = CleanColumn(column.schema.model_copy(update={"levels": levels}), answers)
    result.notes = [*column.notes]
    shown = people.of(lost) >= MIN_PERSONS
    result.note(
        f"options of fewer than {MIN_PERSONS} persons were left out", int(lost.sum()) * shown
    )
    return result


def without_rare_codes(column: CleanColumn, people: People) -> CleanColumn:
    """Return a column whose codes for no answer are of five persons; others are gaps."""
    found, codes = column.schema.specials, column.codes
    if not found or codes is None:
        return column
    held = codes.fill_null("").to_numpy(zero_copy_only=False)
    rare = [one.value for one in found if people.of(held == one.value) < MIN_PERSONS]
    if not rare:
        return column
    kept = [one for one in found if one.value not in rare]
    schema = column.schema.model_copy(update={"specials": kept})
    return replace(column, schema=schema, notes=unlisted(column.notes, rare))


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

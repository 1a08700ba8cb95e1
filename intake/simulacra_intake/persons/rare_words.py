"""Words of fewer than five persons, which neither rows nor the schema give away.

Those of one column are one level, learned as a group, if five persons have one of them in all;
else others are drawn in their place. On a scale they become the neighbor level.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import is_text, level_values, parse_type
from simulacra_intake.columns.build import KEPT_APART, NO_ANSWER, CleanColumn, unlearned
from simulacra_intake.columns.recognizers.postcodes import masked
from simulacra_intake.personal_data.people import Bools, Floats, People
from simulacra_intake.rows_of_persons import MIN_PERSONS, Ints
from simulacra_schema.formats.file_labels import Code, Declared
from simulacra_schema.table import CleaningNote, ColumnSchema, LevelSchema

_SEED = 29
_FREE = "*?~"
"""Codes of one letter, of which a column of coded words has one to spare."""


def without_rare_words(
    column: CleanColumn, values: pa.DictionaryArray, people: People
) -> CleanColumn | None:
    """Return a column of levels without words of few persons; None if all are of few."""
    schema = column.schema
    codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    known, size = codes >= 0, len(schema.levels)
    counts = people.count(codes[known], size, known)
    rare = counts < MIN_PERSONS
    lost = known & np.append(rare, False)[codes]
    if not lost.any():
        return column
    if rare.all():
        return None
    words = int(np.count_nonzero(rare & (counts > 0)))
    few = {level.value for level, is_rare in zip(schema.levels, rare, strict=True) if is_rare}
    schema = _without_codes(schema, few)
    column = replace(column, schema=schema, notes=unlisted(column.notes, few))
    moved = codes.copy()
    if schema.prefix is not None:
        return _by_form(column, codes, rare, lost, people)
    if schema.ordered:
        moved[lost] = _neighbors(schema.levels, rare, counts)[codes[lost]]
        how = f"levels of fewer than {MIN_PERSONS} persons are in the level beside them"
    elif _may_pool(schema) and (
        people.of(lost) >= MIN_PERSONS
        or people.other in (level.value for level in _without(schema.levels, rare))
    ):
        return _pooled(column, codes, rare, lost, words, people.other)
    else:
        moved[lost] = _drawn(codes, lost, known & ~lost, people.persons, size)
        how = f"words of fewer than {MIN_PERSONS} persons were replaced by others"
    levels = _without(schema.levels, rare)
    result = _with_levels(column, levels, _recoded(moved, rare))
    result.drawn = lost
    result.note(how, int(lost.sum()) if people.of(lost) >= MIN_PERSONS else 0)
    return result


def unlisted(notes: Sequence[CleaningNote], rare: Collection[str]) -> list[CleaningNote]:
    """Return notes without rare words in their lists."""
    result = []
    for note in notes:
        start = next((one for one in (KEPT_APART, NO_ANSWER) if note.action.startswith(one)), None)
        if start is not None:
            listed = [one for one in note.action[len(start) :].split(", ") if one not in rare]
            if not listed:
                continue
            note = note.model_copy(update={"action": start + ", ".join(listed)})
        result.append(note)
    return result


def _may_pool(schema: ColumnSchema) -> bool:
    """Return whether the upload's type can hold another word."""
    kind = parse_type(schema.storage)
    return schema.kind == "categorical" and is_text(
        kind.value_type if pa.types.is_dictionary(kind) else kind
    )


def _without(levels: Sequence[LevelSchema], rare: Bools) -> list[LevelSchema]:
    return [level for level, is_rare in zip(levels, rare, strict=True) if not is_rare]


def _pooled(
    column: CleanColumn, codes: Ints, rare: Bools, lost: Bools, words: int, other: str
) -> CleanColumn:
    """Return the column with one level for its rare words.

    A level of this name is there already in rows that were made from such a table.
    """
    schema = column.schema
    levels = _without(schema.levels, rare)
    names = [level.value for level in levels]
    if other not in names:
        level = LevelSchema(value=other, share=0.0)
        if any(one.code for one in levels):
            schema, level = _coded(schema, level)
        levels.append(level)
        names.append(other)
    place = names.index(other)
    levels[place] = levels[place].model_copy(update={"pooled": words})
    moved = np.where(lost, place, _recoded(codes, rare))
    result = _with_levels(CleanColumn(schema, column.values, column.notes), levels, moved)
    result.note(
        f"words of fewer than {MIN_PERSONS} persons are one level, {other}", int(lost.sum())
    )
    return result


def _by_form(
    column: CleanColumn, codes: Ints, rare: Bools, lost: Bools, people: People
) -> CleanColumn:
    """Return postcodes with rare ones as their form, of which a row draws all digits.

    What is drawn is no one's: it does not depend on the codes of the table.
    """
    levels, moved = _without(column.schema.levels, rare), _recoded(codes, rare)
    names = column.schema.level_values()
    forms = np.array([masked(name) for name in names])[np.maximum(codes, 0)]
    kinds, counts = np.unique(forms[lost], return_counts=True)
    few = lost & np.isin(
        forms, [one for one in kinds if people.of(lost & (forms == one)) < MIN_PERSONS]
    )
    most = kinds[np.argmax(counts)]
    forms[few] = most  # a form of few persons could be that of one
    for form in np.unique(forms[lost]):
        rows, known = lost & (forms == form), [level.value for level in levels]
        if form not in known and people.of(rows) < MIN_PERSONS:
            continue
        if form not in known:
            levels.append(LevelSchema(value=str(form), share=0.0))
        moved[rows] = [*known, form].index(form)
    left = lost & (moved < 0)
    moved[left] = _drawn(codes, left, moved >= 0, people.persons, len(names), moved)
    result = _with_levels(column, levels, moved)
    result.note(f"postcodes of fewer than {MIN_PERSONS} persons are drawn by their form")
    return result


def _without_codes(schema: ColumnSchema, rare: Collection[str]) -> ColumnSchema:
    """Return the schema without the codes of rare words, where the file has no others to spare.

    A list in which each word is someone's was made of the answers; any other is a code list, and a
    gap in it would tell who answered.
    """
    declared = schema.declared
    if declared is None or {word for word, _ in declared.codes} - {*schema.level_values()}:
        return schema
    lost = {code for word, code in declared.codes if word in rare}
    codes = [one for one in declared.codes if one[1] not in lost]
    labels = [one for one in declared.labels if one[0] not in lost]
    declared = declared.model_copy(update={"codes": codes, "labels": labels})
    return schema.model_copy(update={"declared": declared})


def _coded(schema: ColumnSchema, level: LevelSchema) -> tuple[ColumnSchema, LevelSchema]:
    """Return the schema and the level with a code of its own, which a coded file needs."""
    declared = schema.declared or Declared()
    taken = [code for _, code in declared.codes] + [x for span in declared.missing for x in span]
    numbers = [x for x in taken if isinstance(x, float) and np.isfinite(x)]
    code: Code = next(one for one in _FREE if one not in taken)
    if numbers:
        code = float(np.floor(max(numbers)) + 1)
        if any(isinstance(x, float) and x == np.inf for x in taken):
            code = float(np.ceil(min(numbers)) - 1)
    text = str(int(code)) if isinstance(code, float) else code
    labeled = {
        "codes": [*declared.codes, (level.value, code)],
        "labels": [*declared.labels, (code, level.value)],
    }
    declared = declared.model_copy(update=labeled)
    return (
        schema.model_copy(update={"declared": declared if schema.declared else None}),
        level.model_copy(update={"code": text}),
    )


def _neighbors(levels: Sequence[LevelSchema], rare: Bools, counts: Floats) -> Ints:
    """Return the kept level nearest to each level of a scale, int64 [levels].

    Of two, that of more persons. Answers apart, such as "don't know", are near to one another.
    """
    apart = np.array([level.special for level in levels])
    kept = np.flatnonzero(~rare)
    at = np.arange(len(levels))
    far = np.abs(at[:, None] - kept[None, :]) + len(levels) * (apart[:, None] != apart[kept][None])
    return kept[np.argmin(far - 0.5 * counts[kept] / counts.sum(), axis=1)]


def _drawn(
    codes: Ints,
    lost: Bools,
    from_rows: Bools,
    persons: Ints | None,
    size: int,
    given: Ints | None = None,
) -> Ints:
    """Return levels of other rows for the lost ones, one for each word of a person.

    given: what rows have instead of `codes`.
    """
    rng = np.random.default_rng([_SEED, codes.size])
    who = np.arange(codes.size) if persons is None else persons
    pairs, pair = np.unique((who * size + codes)[lost], return_inverse=True)
    found: Ints = rng.choice((codes if given is None else given)[from_rows], size=pairs.size)[
        pair.reshape(-1)
    ]
    return found


def _recoded(codes: Ints, rare: Bools) -> Ints:
    """Return codes among the levels that are kept; -1 where there is none."""
    place = np.where(rare, -1, np.cumsum(~rare) - 1)
    found: Ints = np.append(place, -1)[codes]
    return found


def _with_levels(column: CleanColumn, levels: Sequence[LevelSchema], codes: Ints) -> CleanColumn:
    """Return the column with these levels, their shares counted again; codes [rows], -1 missing."""
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    total = max(int(counts.sum()), 1)
    levels = [
        level.model_copy(update={"share": int(count) / total})
        for level, count in zip(levels, counts, strict=True)
    ]
    values = level_values(codes, [level.value for level in levels])
    schema = column.schema
    if len(levels) == 1 and not values.null_count:
        result = unlearned(schema.name, "constant", values.cast(pa.string()), schema.storage)
        result.update(label=schema.label, declared=schema.declared)
    else:
        result = CleanColumn(schema.model_copy(update={"levels": levels}), values)
    result.notes = [*column.notes, *result.notes]
    return result

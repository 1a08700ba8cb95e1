"""The wave of repeated cross-sections: other persons answer the same questions at each time.

A panel's wave is another thing: which interview of a person a row is (`waves`).
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.build import CleanColumn, level_column
from simulacra_intake.columns.parse.periods import order_periods
from simulacra_intake.description.finish import WAVE
from simulacra_intake.description.statements import Statements
from simulacra_intake.personal_data.vocabulary import is_one_of, name_parts
from simulacra_schema.lexicon import in_languages, words_in

MAX_WAVES = 40
FEWEST_ROWS = 100
"""Rows of a wave below which nothing is tested in it."""
NOTE = "waves of different persons: learned, comes before all other columns, and is never set"
NEXT = "the one wave of the table, after those of the summary that was handed back"
SMALL = f"waves of fewer than {FEWEST_ROWS} rows: what moved is not tested in them"
LOOKS_LIKE = "looks like the waves of a survey of other persons each time: state it, or leave it"
_GAPS = "{count} rows have no wave. Fill the gaps, or leave those rows out."
_ONE = "All rows are of one wave; at least 2 are needed. Leave the role out."
_MANY = f"{{count}} waves, and {MAX_WAVES} at most can be compared. Group them, such as by year."


def as_waves(column: CleanColumn, statements: Statements) -> CleanColumn:
    """Return the stated column of waves as levels in order; problems go to the statements."""
    statement = statements.columns[column.schema.name]
    if column.schema.kind == "constant" and statements.earlier is not None:
        column.note(NEXT)
        return column
    found = _in_order(column)
    if (problem := _problem(column, found)) is not None:
        statements.problems.add(statement.at("role"), problem)
        return column
    assert found is not None
    found.update(role="wave", evidence=[])
    found.note(NOTE)
    assert found.values is not None
    rows = np.bincount(found.values.indices.to_numpy())
    if rows.min() < FEWEST_ROWS:
        found.note(SMALL)
    return found


def ask_about_waves(columns: Sequence[CleanColumn], statements: Statements) -> None:
    """Note that a column looks like waves: named so, without gaps, with enough rows in each.

    It stays an ordinary column: tables have years and rounds of many things.
    """
    if any(one.role == "wave" for one in statements.columns.values()):
        return
    for column in columns:
        statement = statements.of(column.schema.name)
        if (statement is None or statement.role is None) and _looks_like_waves(column):
            column.update(to_confirm="wave")
            column.note(LOOKS_LIKE)
            return


def _looks_like_waves(column: CleanColumn) -> bool:
    schema = column.schema
    if schema.role is not None or schema.kind not in ("integer", "ordinal"):
        return False
    if column.values is None or not is_wave_name(schema.name):
        return False
    found = _in_order(column)
    if found is None or _problem(column, found) is not None or found.values is None:
        return False
    return int(np.bincount(found.values.indices.to_numpy()).min()) >= FEWEST_ROWS


def _problem(column: CleanColumn, found: CleanColumn | None) -> str | None:
    """Return why a column cannot be the wave, None if it can; found: its levels in order."""
    if column.schema.kind == "constant":
        return _ONE
    if found is None or found.values is None:
        return WAVE
    special = [at for at, level in enumerate(found.schema.levels) if level.special]
    gaps = pc.is_in(found.values.indices, pa.array(special, pa.int32()))
    if count := found.values.null_count + (pc.sum(gaps).as_py() or 0):
        return _GAPS.format(count=count)
    count = len(found.schema.levels)
    return _MANY.format(count=count) if count > MAX_WAVES else None


def _in_order(column: CleanColumn) -> CleanColumn | None:
    """Return a column of whole numbers, periods or ordered categories as levels in order."""
    values, schema = column.values, column.schema
    if values is None or schema.kind == "ordinal":
        return None if values is None else column
    if schema.kind == "integer":
        coded = values.dictionary_encode()
        words = [str(number) for number in sorted(coded.dictionary.to_pylist())]
    elif schema.kind == "categorical":  # two periods are too few to be recognized unasked
        coded, words = values, order_periods(schema.level_values(), least=2) or []
    else:
        return None
    if not words:
        return None
    return _coded(column, coded, words)


def _coded(column: CleanColumn, coded: pa.DictionaryArray, words: list[str]) -> CleanColumn:
    place = {word: at for at, word in enumerate(words)}
    of = np.array([*(place[str(one)] for one in coded.dictionary.to_pylist()), -1])
    codes = of[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)].astype(np.int32)
    schema = column.schema
    result = level_column(schema.name, "ordinal", words, codes, schema.storage)
    labels = {one.value: one for one in schema.levels}
    levels = [
        one.model_copy(update={"label": labels[one.value].label, "code": labels[one.value].code})
        if one.value in labels
        else one
        for one in result.schema.levels
    ]
    result.update(levels=levels, label=schema.label, declared=schema.declared, form=schema.form)
    result.update(text_format=schema.text_format)
    result.notes += column.notes
    return result


def is_wave_name(name: str) -> bool:
    """Return whether a column is called as waves are."""
    return is_one_of(name, _names())


@cache
def _names() -> frozenset[str]:
    """Return the names that waves have, written as in `name_parts`."""
    texts = (text for _, text in in_languages("waves"))
    return frozenset(name_parts(word)[-1] for text in texts for word in words_in(text))

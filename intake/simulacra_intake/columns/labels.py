"""Codes replaced by the labels that a file declares (`readers/file_labels.py`).

A coded category becomes its labels, in the order of the codes; codes that mean "no value" become
missing. A number with labels for some values only (0 "none", 99 "very many") stays a number.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import one_chunk
from simulacra_intake.columns.build import CleanColumn
from simulacra_schema.formats.file_labels import Code, Declared
from simulacra_schema.table import LevelSchema, SpecialValue

MAX_CODED = 2_000
"""Distinct codes; a column with more of them is a quantity."""
MAX_GAPS = 10
"""Most codes for "no value" that stay apart; more of them are a range of numbers."""


@dataclass(frozen=True)
class Decoded:
    """A column with labels instead of codes.

    Attributes:
        values: numbers or text as before, or a dictionary of words.
        codes: code of each word, if the values are words.
        missing: number of rows whose code means "no value".
        gaps: these codes, or their labels if the values are words, string [rows]; None without,
            or if there are too many.
    """

    values: pa.ChunkedArray
    codes: dict[str, Code]
    missing: int
    gaps: pa.StringArray | None = None


def decode(column: pa.ChunkedArray, declared: Declared) -> Decoded:
    """Set missing codes to null and codes to words."""
    if not declared.labels and not declared.missing:
        return Decoded(column, {}, 0)
    if pa.types.is_string_view(column.type):  # Arrow has few functions for views
        column = column.cast(pa.string())
    whole, before = column, column.null_count
    column = _without_missing(column, declared.missing)
    missing = column.null_count - before
    distinct = pc.unique(column.drop_null())
    words = _words(distinct, declared)
    if words is None:
        return Decoded(column, {}, missing, _gaps(whole, column, {}))
    place = pc.index_in(column, value_set=pa.array(list(words), distinct.type))
    kind = pa.dictionary(pa.int32(), pa.string(), declared.scaled)
    levels = pa.array(list(words.values()), pa.string())
    chunks = [
        pa.DictionaryArray.from_arrays(chunk, levels, ordered=declared.scaled)
        for chunk in place.chunks
    ]
    often = Counter(word for _, word in declared.labels)
    labels = {code: word for code, word in declared.labels if often[word] == 1}
    codes = {word: code for code, word in words.items()}
    return Decoded(pa.chunked_array(chunks, kind), codes, missing, _gaps(whole, column, labels))


def label_levels(
    levels: list[LevelSchema], declared: Declared, codes: dict[str, Code]
) -> list[LevelSchema]:
    """Return the levels with the codes of words, or with the labels of numbers."""
    labels = {text_of(code): word for code, word in declared.labels}
    texts = {word: text_of(code) for word, code in codes.items()}
    return [
        level.model_copy(
            update={"code": texts.get(level.value)} if codes else {"label": labels.get(level.value)}
        )
        for level in levels
    ]


def missing_codes(declared: Declared) -> list[str]:
    """Return the codes and ranges that mean "no value", with their labels, as text."""
    labels = dict(declared.labels)
    texts = []
    for low, high in declared.missing:
        span = text_of(low) if low == high else f"{text_of(low)} to {text_of(high)}"
        texts.append(f"{span} ({labels[low]})" if low == high and low in labels else span)
    return texts


def text_of(code: Code) -> str:
    """Return a code as text: whole numbers without a point."""
    if isinstance(code, float):
        return str(int(code)) if code.is_integer() and abs(code) < 2**53 else repr(code)
    return code


def with_gaps(result: CleanColumn, gaps: pa.StringArray) -> CleanColumn:
    """Return a learned column with what stands in its gaps as special codes."""
    if result.schema.learned:
        found = [
            SpecialValue(value=one["values"], share=one["counts"] / len(gaps))
            for one in pc.value_counts(gaps.drop_null()).to_pylist()
        ]
        result.update(specials=[*result.schema.specials, *found])
        result.codes = gaps if result.codes is None else pc.coalesce(result.codes, gaps)
    return result


def _gaps(
    before: pa.ChunkedArray, after: pa.ChunkedArray, labels: Mapping[Code, str]
) -> pa.StringArray | None:
    """Return the label, or else the code, of each cell that was set to missing."""
    codes = one_chunk(pc.if_else(after.is_null(), before, None))
    distinct = codes.unique().drop_null()
    if not 0 < len(distinct) <= MAX_GAPS:
        return None
    words = [labels.get(code, text_of(code)) for code in distinct.to_pylist()]
    return pa.array(words, pa.string()).take(pc.index_in(codes, distinct, skip_nulls=True))


def _without_missing(column: pa.ChunkedArray, ranges: list[tuple[Code, Code]]) -> pa.ChunkedArray:
    for low, high in ranges:
        if isinstance(low, float) != pa.types.is_floating(column.type):
            continue
        inside = pc.and_(
            pc.greater_equal(column, pa.scalar(low)), pc.less_equal(column, pa.scalar(high))
        )
        column = pc.if_else(pc.fill_null(inside, False), pa.scalar(None, column.type), column)
    return column


def _words(distinct: pa.Array, declared: Declared) -> dict[Code, str] | None:
    """Return the word of each code in code order; None if the column is not a coded category."""
    if not declared.labels or not len(distinct) or len(distinct) > MAX_CODED:
        return None
    labels = dict(declared.labels)
    present = distinct.to_pylist()
    if any(code not in labels for code in present) and not declared.categorical:
        return None
    absent = [code for code in labels if not any(_inside(code, *span) for span in declared.missing)]
    named = {
        code: labels.get(code, text_of(code))
        for code in sorted({*present, *absent}, key=lambda code: code)
    }
    twice = {word for word, count in Counter(named.values()).items() if count > 1}
    return {
        code: f"{word} ({text_of(code)})" if word in twice else word for code, word in named.items()
    }


def _inside(code: Code, low: Code, high: Code) -> bool:
    return isinstance(code, type(low)) and low <= code <= high  # type: ignore[operator]

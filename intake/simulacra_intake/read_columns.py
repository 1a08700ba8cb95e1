"""Columns of a raw table, each read by what the whole table, the file and the user say about it."""

from collections import Counter
from dataclasses import replace
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import is_text
from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.columns.code_columns import share_codes
from simulacra_intake.columns.distinct_values import split_words
from simulacra_intake.columns.labels import decode, label_levels, missing_codes, with_gaps
from simulacra_intake.columns.na_codes import shows_missing
from simulacra_intake.columns.parse.dates import parse_dates
from simulacra_intake.columns.parse.numerals import proven_decimal
from simulacra_intake.columns.text_column import TextOrigin
from simulacra_intake.columns.typed import typed_column
from simulacra_intake.columns.weights import unknown_column, weight_column
from simulacra_intake.description.columns import CODED_ROLES, described_column, without_stated
from simulacra_intake.description.statements import Statements
from simulacra_intake.errors import InputError
from simulacra_intake.raw_table import DELIMITER, ORIGIN, RawTable
from simulacra_intake.replicate_weights import with_replicates
from simulacra_intake.survey_design import with_design
from simulacra_schema.formats.file_labels import declared_of

Vote = TypeVar("Vote", str, bool)
SAMPLE_ROWS = 2_000
"""Rows of each text column that the vote on the decimal sign looks at."""


def read_columns(raw: pa.Table | RawTable, statements: Statements) -> list[CleanColumn]:
    """Return each column in a type of the engine.

    Raises:
        InputError: the weights are unusable, or no column has their name.
    """
    metadata = raw.schema.metadata or {}
    source = metadata.get(ORIGIN)
    decimal, day_first, writes_na = _conventions(raw)
    origin = TextOrigin(
        csv=source in (b"csv", b"xlsx"),
        decimal=decimal or ("," if metadata.get(DELIMITER) == b";" else None),
        day_first=True if day_first is None and decimal == "," else day_first,
        doubles=source in (b"xlsx", b"spss"),
        names=frozenset(raw.column_names),
        writes_na=writes_na,
    )
    ordinary = _ordinary(statements)
    columns = [
        _declared_column(
            field, raw.column(i), replace(origin, ordinary=field.name in ordinary), statements
        )
        for i, field in enumerate(raw.schema)
    ]
    stated = [
        name
        for name, one in statements.columns.items()
        if one.has("missingValues", "missing", "categories")
    ]
    drawn = with_design(share_codes(columns, stated), raw, statements)
    columns = [*with_replicates(drawn, statements)]
    if statements.weights is None:
        return columns
    return _with_weights(columns, statements.weights, raw.num_rows, statements)


def _ordinary(statements: Statements) -> set[str | None]:
    """Return the columns that identify nothing, as the user says."""
    named = statements.columns.items()
    ordinary = (name for name, one in named if one.role not in (None, *CODED_ROLES))
    return {statements.weights, *ordinary}


def _conventions(raw: pa.Table | RawTable) -> tuple[str | None, bool | None, bool]:
    """Return what the text columns show.

    The decimal sign and whether the day stands first, as most columns prove, and whether any
    column writes NA for a missing value.
    """
    decimals: Counter[str] = Counter()
    orders: Counter[bool] = Counter()
    writes_na = False
    for i, field in enumerate(raw.schema):
        if not is_text(field.type):
            continue
        head = _head(raw, i)
        writes_na = writes_na or shows_missing(pc.unique(head).drop_null().to_pylist())
        sample = split_words(head)
        if sign := proven_decimal(sample.levels):
            decimals[sign] += 1
        dates = parse_dates(sample)
        if dates and not dates.ambiguous and dates.text_format[:2] in ("%d", "%m"):
            orders[dates.text_format.startswith("%d")] += 1
    return _majority(decimals), _majority(orders), writes_na


def _head(raw: pa.Table | RawTable, i: int) -> pa.ChunkedArray:
    if isinstance(raw, RawTable):
        return raw.head(i, SAMPLE_ROWS)
    return raw.column(i).slice(0, SAMPLE_ROWS)


def _majority(votes: Counter[Vote]) -> Vote | None:
    ranked = votes.most_common(2)
    clear = len(ranked) == 1 or (len(ranked) == 2 and ranked[0][1] > ranked[1][1])
    return ranked[0][0] if clear else None


def _declared_column(
    field: pa.Field, column: pa.ChunkedArray, origin: TextOrigin, statements: Statements
) -> CleanColumn:
    """Clean a column with the labels and missing codes that the file declares.

    What the user states goes before what the file declares.
    """
    declared = declared_of(field)
    statement = statements.of(field.name)
    if statement is not None:
        declared = without_stated(declared, statement)
    decoded = decode(column, declared)
    result: CleanColumn | None = None
    if statement is not None:
        described = (field.name, decoded.values, origin, statement, statements.problems)
        result = described_column(*described)
    result = result or typed_column(field.name, decoded.values, origin)
    if declared.labels:
        result.update(levels=label_levels(result.schema.levels, declared, decoded.codes))
    result.update(label=declared.label, missing_codes=missing_codes(declared))
    if declared.measure or declared.format:
        codes = list(decoded.codes.items())
        result.update(declared=declared.model_copy(update={"codes": codes}))
    if decoded.gaps is not None:
        result = with_gaps(result, decoded.gaps)
    if decoded.missing:
        result.note("codes that the file declares as missing were set to missing", decoded.missing)
    if decoded.codes:
        present = len(decoded.values) - decoded.values.null_count
        result.note("codes were replaced by their labels", present)
    return result


def _with_weights(
    columns: list[CleanColumn], name: str, rows: int, statements: Statements
) -> list[CleanColumn]:
    """Return the columns with the weights, which the upload or the description names."""
    names = [column.schema.name for column in columns]
    if name not in names:
        raise unknown_column(name, names)
    stated = statements.of(name)
    try:
        return [
            weight_column(column, rows) if column.schema.name == name else column
            for column in columns
        ]
    except InputError as error:
        if stated is None or stated.role != "weight":
            raise
        statements.problems.add(stated.at("role"), error.detail.removeprefix("weights: "))
        return columns

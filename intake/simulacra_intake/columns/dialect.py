"""Delimiter and decimal sign in which generated rows are written as a CSV."""

from collections.abc import Sequence

import pyarrow as pa

from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.raw_table import DELIMITER
from simulacra_schema.table import CsvDialect


def dialect_of(raw: pa.Schema, columns: Sequence[CleanColumn]) -> CsvDialect | None:
    """Return the delimiter of a CSV and the decimal sign of most of its columns with decimals.

    Without such columns a semicolon says decimal commas, as programs write both or neither. None
    for a table of another format that writes no decimal commas.
    """
    delimiter = (raw.metadata or {}).get(DELIMITER, b",").decode()
    signs = [
        "." if one.schema.form is None else one.schema.form.decimal
        for one in columns
        if one.schema.kind in ("numeric", "weight") and one.schema.decimals != 0
    ]
    commas = signs.count(",")
    is_comma = commas > len(signs) / 2 if signs else delimiter == ";"
    if DELIMITER not in (raw.metadata or {}) and not is_comma:
        return None
    return CsvDialect(delimiter=delimiter, decimal="," if is_comma else ".")

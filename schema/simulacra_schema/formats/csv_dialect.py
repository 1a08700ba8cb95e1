"""Delimiter and decimal sign of a CSV, those of the upload.

A generated table carries them as metadata, so Parquet files keep types and whoever writes a CSV,
the trainer or the API, writes the dialect of the upload. Imported by those who have pyarrow.
"""

from typing import Any

import pyarrow as pa
import pyarrow.csv

from simulacra_schema.cell_text import with_form
from simulacra_schema.table import CellForm, CsvDialect

KEY = b"simulacra.csv"
"""Schema metadata key: a `CsvDialect` as JSON."""


def with_dialect(schema: pa.Schema, dialect: CsvDialect | None) -> pa.Schema:
    """Return the schema with the dialect beside its other metadata."""
    if dialect is None:
        return schema
    return schema.with_metadata({**(schema.metadata or {}), KEY: dialect.model_dump_json()})


def dialect_of(schema: pa.Schema) -> CsvDialect:
    """Return the dialect of a table; comma and point of one without."""
    content = (schema.metadata or {}).get(KEY)
    return CsvDialect() if content is None else CsvDialect.model_validate_json(content)


def number_field(field: pa.Field, schema: pa.Schema) -> pa.Field:
    """Return the field of a column of numbers that is added to a table, written as its others."""
    decimal = dialect_of(schema).decimal
    if decimal == ".":
        return field
    own = field.metadata or {}
    form = with_form(field, CellForm(decimal=decimal)).metadata
    return field.with_metadata({**own, **form})


def csv_writer(
    sink: Any, written: pa.Schema, dialect: CsvDialect | None = None
) -> pyarrow.csv.CSVWriter:
    """Return a writer of cells as text.

    written: schema of the cells (`cell_text.csv_schema`).
    """
    delimiter = (dialect or CsvDialect()).delimiter
    options = pyarrow.csv.WriteOptions(delimiter=delimiter)
    return pyarrow.csv.CSVWriter(sink, written, write_options=options)

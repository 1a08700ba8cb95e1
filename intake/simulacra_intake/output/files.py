"""Output of generated tables to a file, all or nothing; its suffix sets the format."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from simulacra_schema.cell_text import csv_batch, csv_schema
from simulacra_schema.formats.csv_dialect import csv_writer, dialect_of
from simulacra_schema.formats.sav import CASES_AT, SavWriter
from simulacra_schema.formats.xlsx import XlsxWriter
from simulacra_schema.table import CsvDialect

SUFFIXES = (".parquet", ".csv", ".arrow", ".sav", ".xlsx")


def write_tables(tables: Iterable[pa.Table], path: Path, *, plain: bool = False) -> None:
    """Write tables of one schema as one file; the suffix of the path sets the format.

    A CSV has the dialect and the cells of the upload; plain: commas, decimal points, ISO dates.
    Arrow and CSV files hold levels as values, because each table may have its own dictionary.

    Raises:
        ValueError: an unknown suffix, or more rows than a workbook holds.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"the file name must end in {', '.join(SUFFIXES)}")
    with tempfile.NamedTemporaryFile(
        dir=path.resolve().parent, suffix=".part", delete=False
    ) as part:
        unfinished = Path(part.name)
    try:
        writer: Any = None
        for table in tables:
            dialect = None if plain else dialect_of(table.schema)
            if path.suffix == ".csv" and not plain:
                batches = map(csv_batch, table.combine_chunks().to_batches())
                table = pa.Table.from_batches(batches, csv_schema(table.schema))
            if path.suffix in (".csv", ".arrow"):
                table = table.cast(_plain(table.schema))
            writer = writer or _open(unfinished, table.schema, path.suffix, dialect)
            writer.write_table(table)
        if writer is not None:
            writer.close()
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _plain(schema: pa.Schema) -> pa.Schema:
    return pa.schema(
        [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema]
    )


class _Closing:
    """A writer into a file, which it closes at the end."""

    def __init__(
        self, path: Path, schema: pa.Schema, writer: type[SavWriter] | type[XlsxWriter]
    ) -> None:
        self._file = path.open("wb")
        self._writer = writer(self._file, schema)
        self.write_table = self._writer.write_table

    def close(self) -> None:
        self._writer.close()
        if isinstance(self._writer, SavWriter):
            self._file.seek(CASES_AT)
            self._file.write(self._writer.case_count)
        self._file.close()


def _open(path: Path, schema: pa.Schema, suffix: str, dialect: CsvDialect | None) -> Any:
    if suffix == ".csv":
        return csv_writer(str(path), schema, dialect)
    if suffix == ".arrow":
        return pa.ipc.new_file(path, schema)
    if suffix in (".sav", ".xlsx"):
        return _Closing(path, schema, SavWriter if suffix == ".sav" else XlsxWriter)
    return pyarrow.parquet.ParquetWriter(path, schema, compression="zstd")

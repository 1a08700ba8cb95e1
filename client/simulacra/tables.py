"""Tables of pandas, polars and Arrow, in and out, over Arrow's C stream interface.

pyarrow is imported only when it is used.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from simulacra.optional import optional


@runtime_checkable
class Frame(Protocol):
    """A table of pandas (2.2 or newer), polars or pyarrow."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export as a stream of record batches."""


@contextmanager
def temporary_file() -> Iterator[Path]:
    """Yield the path of a Parquet file in a private directory, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="simulacra-") as directory:
        yield Path(directory) / "table.parquet"


@contextmanager
def as_file(source: str | Path | Frame) -> Iterator[Path]:
    """Yield the path of a file with the table.

    Raises:
        TypeError: the source is neither a path nor a table.
        ModuleNotFoundError: pyarrow is missing; the message says what to install.
    """
    if isinstance(source, str | Path):
        yield Path(source)
        return
    rows = to_arrow(source)
    with temporary_file() as path:
        optional("pyarrow.parquet").write_table(rows, path)
        yield path


def to_arrow(source: Frame) -> Any:
    """Return a table as a `pyarrow.Table`, without the index of a data frame.

    Raises:
        TypeError: the source is no table.
        ModuleNotFoundError: pyarrow is missing; the message says what to install.
    """
    if not isinstance(source, Frame):
        accepted = "a path, or a pandas (2.2 or newer), polars or pyarrow table"
        raise TypeError(f"{type(source).__name__} is not a table. Give {accepted}.")
    rows = optional("pyarrow").table(source)
    if (rows.schema.metadata or {}).get(b"pandas"):
        names = [name for name in rows.column_names if name.startswith("__index_level_")]
        rows = rows.drop_columns(names)
    return rows


def read(path: Path) -> Any:
    """Return a Parquet file as a `pyarrow.Table`."""
    return optional("pyarrow.parquet").read_table(path)


def to_pandas(rows: Any) -> Any:
    """Return a `pyarrow.Table` as a `pandas.DataFrame`."""
    optional("pandas")
    return rows.to_pandas()


def to_polars(rows: Any) -> Any:
    """Return a `pyarrow.Table` as a `polars.DataFrame`."""
    return optional("polars").from_arrow(rows)

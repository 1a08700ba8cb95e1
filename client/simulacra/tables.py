"""Tables of pandas, polars and Arrow, in and out, over Arrow's C stream interface; pyarrow is loaded when used."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

_HOW = "pip install 'simulacra[frames]' pandas polars (those that you use)"


@runtime_checkable
class Frame(Protocol):
    """What pandas (2.2 or newer), polars and pyarrow tables have in common."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export as a stream of record batches."""


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield the path of a Parquet file in a directory of its own (readable by this user only) that is removed."""
    with tempfile.TemporaryDirectory(prefix="simulacra-") as directory:
        yield Path(directory) / "table.parquet"


@contextmanager
def as_file(source: str | Path | Frame) -> Iterator[Path]:
    """Yield a path whose file holds the table.

    Raises:
        TypeError: it is neither a path nor a table.
        ModuleNotFoundError: pyarrow is missing, with what to install.
    """
    if isinstance(source, str | Path):
        yield Path(source)
        return
    if not isinstance(source, Frame):
        raise TypeError(
            f"{type(source).__name__} is no table: give a path, or a pandas (2.2 or newer), polars or pyarrow table"
        )
    with scratch() as path:
        rows = _module("pyarrow").table(source)
        if (rows.schema.metadata or {}).get(b"pandas"):
            rows = rows.drop_columns(
                [name for name in rows.column_names if name.startswith("__index_level_")]
            )
        _module("pyarrow.parquet").write_table(rows, path)
        yield path


def read(path: Path) -> Any:
    """Return a Parquet file as a `pyarrow.Table`."""
    return _module("pyarrow.parquet").read_table(path)


def to_pandas(rows: Any) -> Any:
    """Return a `pyarrow.Table` as a `pandas.DataFrame`."""
    _module("pandas")
    return rows.to_pandas()


def to_polars(rows: Any) -> Any:
    """Return a `pyarrow.Table` as a `polars.DataFrame`."""
    return _module("polars").from_arrow(rows)


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"this needs {name.partition('.')[0]}: {_HOW}") from None

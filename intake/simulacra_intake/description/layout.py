"""Encoding and dialect of a CSV: as the user states them, and as they were read."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from simulacra_crds.reasons import Reason
from simulacra_intake.errors import InputError
from simulacra_intake.raw_table import DELIMITER, ENCODING, HEADER_ROWS, RawTable
from simulacra_intake.read import open_table
from simulacra_intake.readers.stated_layout import StatedLayout, mismatch
from simulacra_schema.description import Description

KEPT = "The table was kept as read. Upload the file again to read it in another way."
NOTHING_STATED = Description()
"""The description of a table of which all is detected."""
PROPERTIES = ("encoding", "delimiter", "headerRows")


def open_described(
    path: Path, file_format: str = "auto", description: Description = NOTHING_STATED
) -> RawTable:
    """Read an upload as `open_table` does, with the layout that the description states.

    Raises:
        InputError: as `open_table`, with pointers into the description.
    """
    try:
        return open_table(path, file_format, stated=_layout(_stated(description)))
    except InputError as error:
        if error.reason != Reason.DESCRIPTION_MISMATCH or error.pointer is None:
            raise
        where = description.resource_pointer(*error.pointer[1:].split("/"))
        raise error.at(where) from None


def check_kept(schema: pa.Schema, description: Description) -> None:
    """Refuse another layout than the one in which a kept table was read.

    Raises:
        InputError: with the pointer of the first property that differs.
    """
    found = _found(schema)
    for name, value in _stated(description).items():
        if found.get(name) != value:
            where = (name,) if name == PROPERTIES[0] else ("dialect", name)
            raise mismatch("", KEPT).at(description.resource_pointer(*where))


def layout_of(schema: pa.Schema, description: Description) -> dict[str, Any]:
    """Return `encoding`, `dialect` and `source` of a raw table for its completed description."""
    found = _found(schema)
    if not found:
        return {}
    stated = _stated(description)
    values = {**found, **stated}
    return {
        "encoding": values.pop("encoding"),
        "dialect": values,
        "source": {name: "user" if name in stated else "detected" for name in PROPERTIES},
    }


def _stated(description: Description) -> dict[str, Any]:
    """Return what the user states of encoding and dialect."""
    dialect, extension = description.dialect, description.extension
    values = (description.encoding, dialect.delimiter, dialect.header_rows)
    named = zip(PROPERTIES, values, strict=True)
    return {name: value for name, value in named if extension.is_stated(name, value)}


def _layout(stated: dict[str, Any]) -> StatedLayout:
    encoding, delimiter, rows = (stated.get(name) for name in PROPERTIES)
    return StatedLayout(encoding, delimiter, tuple(rows) if rows else None)


def _found(schema: pa.Schema) -> dict[str, Any]:
    metadata = schema.metadata or {}
    if ENCODING not in metadata:
        return {}
    return {
        "encoding": metadata[ENCODING].decode().removesuffix("-sig"),
        "delimiter": metadata[DELIMITER].decode(),
        "headerRows": json.loads(metadata[HEADER_ROWS]),
    }

"""Read an Arrow type back from its text, as `ColumnSchema.storage` keeps it."""

from __future__ import annotations

import re

import pyarrow as pa

_DECIMAL = re.compile(r"^decimal(32|64|128|256)\((\d+), (-?\d+)\)$")
_ZONED = re.compile(r"^timestamp\[(s|ms|us|ns), tz=(.+)\]$")
_DICTIONARY = re.compile(r"^dictionary<values=(.+), indices=(\w+), ordered=([01])>$")
_DECIMALS = {"32": pa.decimal32, "64": pa.decimal64, "128": pa.decimal128, "256": pa.decimal256}


def parse_type(storage: str) -> pa.DataType:
    """Return the Arrow type that str() wrote as storage.

    Raises:
        ValueError: no flat Arrow type is written like this.
    """
    if match := _DECIMAL.match(storage):
        return _DECIMALS[match[1]](int(match[2]), int(match[3]))
    if match := _ZONED.match(storage):
        return pa.timestamp(match[1], tz=match[2])
    if match := _DICTIONARY.match(storage):
        return pa.dictionary(parse_type(match[2]), parse_type(match[1]), ordered=match[3] == "1")
    return pa.type_for_alias(storage)

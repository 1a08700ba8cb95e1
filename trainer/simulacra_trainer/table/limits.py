"""Limits of an upload. Every refusal names the limit that it met."""

from __future__ import annotations

from dataclasses import dataclass

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

MIN_ROWS = 20
MIN_COLUMNS = 2
MAX_ROWS = 20_000_000
MAX_COLUMNS = 2_000
MAX_NAME = 256
"""Characters of a column name (the bound of ColumnName in the contract)."""
MAX_CELL_BYTES = MIB
MAX_ROW_BYTES = 16 * MIB
"""A CSV record; longer ones come from a quotation mark that is never closed."""
MAX_DECODED_BYTES = 2 * GIB
"""Of text after gzip or zstd is undone, and of the pages that a Parquet footer declares."""
MAX_FOOTER_BYTES = 64 * MIB
MAX_ROW_GROUPS = 20_000


@dataclass(frozen=True)
class SandboxLimits:
    """What the parsing process may use: bytes, seconds, descriptors."""

    memory_bytes: int = 2 * GIB
    cpu_s: int = 60
    wall_s: int = 180
    output_bytes: int = 4 * GIB
    open_files: int = 64

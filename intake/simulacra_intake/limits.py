"""Limits of an upload; every error names the limit that was exceeded."""

from dataclasses import dataclass

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

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
"""Of decompressed text, and of the pages that a Parquet footer declares."""
MAX_FOOTER_BYTES = 64 * MIB
MAX_ROW_GROUPS = 20_000


@dataclass(frozen=True)
class SandboxLimits:
    """Resources of the parsing process: bytes, seconds, file descriptors."""

    memory_bytes: int = 2 * GIB
    cpu_s: int = 60
    wall_s: int = 180
    output_bytes: int = 4 * GIB
    open_files: int = 64

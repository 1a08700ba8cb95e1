"""Reading of an untrusted upload into an Arrow table.

A confined child process parses (`sandbox/`); this side starts it, turns its end into an error text,
and maps the Arrow stream that it wrote.
"""

from __future__ import annotations

import json
import mmap
import tempfile
from pathlib import Path

import pyarrow as pa

from simulacra_crds.contract.reasons import Reason
from simulacra_trainer.table.errors import InputError, invalid_upload
from simulacra_trainer.table.limits import SandboxLimits
from simulacra_trainer.table.sandbox.child_process import SandboxStopped, run_confined

WORKER = "simulacra_trainer.table.sandbox.worker"
ORIGIN = b"simulacra.origin"
"""Schema metadata key: csv, parquet, arrow, xlsx or spss. CSV cells are untyped text."""
DELIMITER = b"simulacra.delimiter"
"""Schema metadata key of a CSV: its delimiter. A semicolon suggests decimal commas."""
NOTES = b"simulacra.notes"
"""Schema metadata key: notes on omitted content, one per line."""
NETWORK = b"simulacra.network"
"""Schema metadata key: "isolated" if the parser had no network, else "inherited"."""


def read_table(
    path: Path, file_format: str = "auto", limits: SandboxLimits | None = None
) -> pa.Table:
    """Read an upload: CSV (plain, gzip or zstd), Parquet, Arrow, an Excel workbook or an SPSS file.

    Args:
        path: the uploaded bytes.
        file_format: "csv", "parquet", "arrow", "xlsx", "spss" or "auto" (detected).
        limits: of the parsing process.

    Returns:
        The table as uploaded, at least 2 columns and 20 rows. Columns of a CSV are all strings with
        empty cells as ""; columns of the others have types; all numbers of a workbook and an SPSS
        file are doubles. Schema metadata: ORIGIN, DELIMITER, NOTES, NETWORK; field metadata of an
        SPSS file: `file_labels.KEY`.

    Raises:
        InputError: the bytes are not a table within the limits.
    """
    limits = limits or SandboxLimits()
    with path.open("rb") as source, tempfile.TemporaryFile() as sink:
        try:
            answer = run_confined(WORKER, file_format, source, sink, limits)
        except SandboxStopped as stopped:
            raise invalid_upload(f"The file cannot be read as a table: {stopped}.") from None
        if answer.refused:
            refusal = json.loads(answer.text)
            raise InputError(
                Reason(refusal["reason"]),
                refusal["message"],
                refusal["detail"],
                pointer=refusal["pointer"],
            )
        mapped = mmap.mmap(sink.fileno(), 0, access=mmap.ACCESS_READ)
    table = pa.ipc.open_stream(pa.py_buffer(mapped)).read_all()
    table.validate(full=True)
    return table

"""Reading of an untrusted upload into an Arrow table.

A confined child process parses (`sandbox/`); this side starts it, turns its end into an error text,
and reads what it wrote.
"""

import json
from pathlib import Path

import pyarrow as pa

from simulacra_crds.reasons import Reason
from simulacra_intake.errors import InputError, invalid_upload
from simulacra_intake.limits import SandboxLimits
from simulacra_intake.raw_table import RawTable
from simulacra_intake.readers.stated_layout import DETECT, StatedLayout
from simulacra_intake.sandbox.child_process import SandboxStopped, run_confined
from simulacra_intake.scratch import temporary_file

WORKER = "simulacra_intake.sandbox.worker"


def read_table(
    path: Path, file_format: str = "auto", limits: SandboxLimits | None = None
) -> pa.Table:
    """Read an upload as `open_table` does, whole into memory."""
    return open_table(path, file_format, limits).read_all()


def open_table(
    path: Path,
    file_format: str = "auto",
    limits: SandboxLimits | None = None,
    stated: StatedLayout = DETECT,
) -> RawTable:
    """Read an upload: CSV (plain, gzip or zstd), Parquet, Arrow, an Excel workbook or an SPSS file.

    stated: layout of a CSV that the user states.

    Returns:
        The table as uploaded, at least 2 columns and 20 rows. Columns of a CSV are all strings with
        empty cells as ""; columns of the others have types; all numbers of a workbook and an SPSS
        file are doubles. Schema metadata: ORIGIN, DELIMITER,
        ENCODING, HEADER_ROWS, NOTES, NETWORK; field metadata of an
        SPSS file: `file_labels.KEY`.

    Raises:
        InputError: the bytes are not a table within the limits.
    """
    limits = limits or SandboxLimits()
    with path.open("rb") as source, temporary_file() as sink:
        try:
            answer = run_confined(WORKER, file_format, source, sink, limits, stated.to_json())
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
        return RawTable(sink.reopen())

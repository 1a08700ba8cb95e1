"""Given rows, read as the donors' table was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.raw_table import RawTable
from simulacra_schema.completion import Unknown
from simulacra_schema.table import TableSchema

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class GivenRows:
    """Given rows in the clean types of the donors' table.

    Attributes:
        table: the learned columns that both tables have; null for missing.
        codes: rows with a special code or word for no answer, bool [n], by column.
        unknown: cells with a level that the donors do not have, by column; they are missing.
    """

    table: pa.Table
    codes: Mapping[str, Booleans] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)


def read_given(
    raw: pa.Table | RawTable, schema: TableSchema, unknown: Unknown = "refuse"
) -> GivenRows:
    """Return given rows as the donors' columns have them: levels, codes, units and decimals.

    Args:
        raw: the rows as they were read from the upload (READ_TABLE, or `open_described`).
        schema: of the model.
        unknown: what to do with levels that the model does not know.

    Raises:
        InputError: no column in common, unknown levels to refuse, or cells that cannot be read;
            all of them at once, in `errors`, with pointers from /given on.
    """
    raise NotImplementedError

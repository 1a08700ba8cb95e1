"""Attributes that others know of a person, and how many persons they single out together.

Such attributes (birth date, sex, postcode) are called quasi-identifiers (Sweeney, 2002).
"""

from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import codes_of
from simulacra_intake.personal_data import vocabulary
from simulacra_intake.rows_of_persons import Ints, persons_in
from simulacra_schema.table import ColumnSchema, TableSchema

REPORTED_SHARE = 0.2
"""Share of persons singled out above which the attributes are named."""
MAX_COLUMNS = 6
COARSER = {
    "birth": "bands of five or ten years",
    "age": "bands of five or ten years",
    "area": "a larger area, such as the first two digits of a postcode",
    "job": "groups of occupations",
}


def singling_out(table: pa.Table, schema: TableSchema) -> dict[str, Any] | None:
    """Return the known attributes, the share of persons that they single out, and coarser forms.

    None if fewer than two such columns are learned, or if they single out few persons.
    """
    known = [(c, kind) for c in schema.learned() if (kind := _kind(c)) is not None][:MAX_COLUMNS]
    if len(known) < 2:
        return None
    combined = np.zeros(table.num_rows, np.int64)
    for column, _ in known:
        codes = codes_of(table.column(column.name)) + 1
        combined = np.unique(combined * (int(codes.max()) + 1) + codes, return_inverse=True)[1]
    share = _share_alone(combined.reshape(-1), persons_in(table, schema))
    if share <= REPORTED_SHARE:
        return None
    return {
        "columns": [column.name for column, _ in known],
        "share": share,
        "coarser": {c.name: _coarser(c, kind) for c, kind in known if kind in COARSER},
    }


def _kind(column: ColumnSchema) -> str | None:
    found = (
        kind
        for kind, words in vocabulary.KNOWN_TO_OTHERS.items()
        if any(word in words for word in vocabulary.name_parts(column.name))
    )
    return next(found, None)


def _coarser(column: ColumnSchema, kind: str) -> str:
    return "the year alone" if column.kind == "datetime" else COARSER[kind]


def _share_alone(groups: Ints, persons: Ints | None) -> float:
    """Return the share of persons whose combination nobody else has."""
    who = np.arange(groups.size) if persons is None else persons
    pairs = np.unique(np.stack([groups, who]), axis=1)
    sizes = np.bincount(pairs[0])
    alone = np.unique(pairs[1][sizes[pairs[0]] == 1])
    return float(alone.size / np.unique(who).size)

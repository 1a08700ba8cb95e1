"""Coordinates of persons, which are learned on a grid of 0.1 degrees."""

import numpy as np
import pyarrow as pa

from simulacra_intake.columns.build import CleanColumn, numeric_column
from simulacra_intake.personal_data import vocabulary

CELL_DEGREES = 0.1
MIN_DECIMALS = 4
"""Coordinates with fewer name a place, not a house."""


def is_coordinate(column: CleanColumn) -> bool:
    """Return whether a column holds exact latitudes or longitudes."""
    schema = column.schema
    if schema.kind != "numeric" or schema.minimum is None or schema.maximum is None:
        return False
    if schema.decimals is not None and schema.decimals < MIN_DECIMALS:
        return False
    farthest = max(abs(schema.minimum), abs(schema.maximum))
    return (vocabulary.name_contains(schema.name, vocabulary.LATITUDE) and farthest <= 90) or (
        vocabulary.name_contains(schema.name, vocabulary.LONGITUDE) and farthest <= 180
    )


def coarsened(column: CleanColumn) -> CleanColumn:
    """Return coordinates as the centers of their cells; generated rows lie anywhere in a cell."""
    assert column.values is not None
    exact = column.values.to_numpy(zero_copy_only=False)
    centers = (np.floor(exact / CELL_DEGREES) + 0.5) * CELL_DEGREES
    values = pa.array(np.round(centers, 2), pa.float64(), mask=np.isnan(exact))
    schema = column.schema
    result = numeric_column(schema.name, values, schema.storage, schema.text_format, decimals=2)
    if result.values is None:  # all persons live in one cell
        return result
    result.schema = result.schema.model_copy(
        update={
            "role": "coordinate",
            "label": schema.label,
            "evidence": ["exact coordinates"],
            "minimum": schema.minimum,
            "maximum": schema.maximum,
        }
    )
    result.notes = [*column.notes]
    result.note("exact coordinates were coarsened to 0.1 degrees; generated rows lie in the cell")
    return result

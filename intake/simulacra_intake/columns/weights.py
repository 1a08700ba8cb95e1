"""The column of survey weights of an upload, and the errors that make it unusable."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.errors import InputError, invalid_request
from simulacra_intake.limits import MIN_ROWS
from simulacra_intake.personal_data.vocabulary import WEIGHT, name_contains
from simulacra_intake.survey_weights import effective_rows
from simulacra_schema.did_you_mean import closest
from simulacra_schema.table import ColumnSchema

POINTER = "/weights"
MEAN = (0.3, 3.0)
LOOKS_LIKE = "looks like survey weights and is read as a number: state it as weights, or leave it"
NOTE = (
    "survey weights: the model describes the weighted population;"
    " generated rows do not have this column"
)


def ask_about_weights(columns: Sequence[CleanColumn]) -> None:
    """Note that a number looks like survey weights: named so, positive, about 1 on average.

    Of several, it is the one that varies most: a main weight contains the weight of the design. It
    stays a number, because weights change what all rows stand for.
    """
    candidates = [column for column in columns if _looks_like_weights(column)]
    if not candidates:
        return
    column = max(candidates, key=lambda one: pc.stddev(one.values).as_py())
    column.update(to_confirm="weights")
    column.note(LOOKS_LIKE)


def _looks_like_weights(column: CleanColumn) -> bool:
    schema = column.schema
    if schema.kind != "numeric" or column.values is None or column.values.null_count:
        return False
    if not name_contains(schema.name, WEIGHT):
        return False
    mean = pc.mean(column.values).as_py()
    return (schema.minimum or 0.0) > 0 and MEAN[0] <= mean <= MEAN[1]


def weight_column(column: CleanColumn, rows: int) -> CleanColumn:
    """Return a cleaned column as survey weights: float64, not learned.

    Raises:
        InputError: the column is not numeric, or weights are missing, negative, all zero, or leave
            fewer than MIN_ROWS effective rows.
    """
    schema = column.schema
    name = schema.name
    if schema.kind == "constant" and schema.constant is not None:
        values = _constant(name, schema.constant, rows)
    elif schema.kind in ("integer", "numeric") and column.values is not None:
        if missing := column.values.null_count:
            raise _unusable(
                "Some rows have no weight.",
                f"{missing} of {rows} rows of {name!r} have no finite number.",
            )
        values = column.values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    else:
        raise _unusable("The column of weights is not numeric.", f"{name!r} is {schema.kind}.")
    if negative := int((values < 0).sum()):
        raise _unusable(
            "A weight must be 0 or more.", f"{negative} of {rows} rows of {name!r} are negative."
        )
    if not values.any():
        raise _unusable("All weights are 0.", f"Every row of {name!r} is 0.")
    scaled = values / values.max()
    effective = effective_rows(scaled)
    if effective < MIN_ROWS:
        raise _unusable(
            f"The weights leave fewer than {MIN_ROWS} effective rows.",
            f"{name!r} leaves {effective:.1f} of {rows} (Kish). Trim the largest weights.",
        )
    result = CleanColumn(
        ColumnSchema(
            name=name,
            kind="weight",
            learned=False,
            storage=schema.storage,
            minimum=float(values.min()),
            maximum=float(values.max()),
            label=schema.label,
        ),
        pa.array(values),
    )
    result.note(NOTE)
    return result


def unknown_column(name: str, names: Sequence[str]) -> InputError:
    """Return the error for a column of weights that the table does not have."""
    return _unusable(
        "The weights name a column that the table does not have.",
        f"There is no column {name!r}.{closest(name, names)}",
    )


def _constant(name: str, text: str, rows: int) -> npt.NDArray[np.float64]:
    try:
        return np.full(rows, float(text))
    except ValueError:
        raise _unusable(
            "The column of weights is not numeric.", f"{name!r} holds one word."
        ) from None


def _unusable(message: str, detail: str) -> InputError:
    return invalid_request(message, f"weights: {message} {detail}", POINTER)

"""An effect request checked against the schema: two arms and an outcome over the known rows."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_crds.tasks import EstimateRequest
from simulacra_intake.arrow_values import as_floats, codes_of
from simulacra_intake.errors import InputError, invalid_request
from simulacra_intake.rows_of_persons import Ints, persons_in
from simulacra_intake.survey_weights import row_weights
from simulacra_schema.conditions import level_in
from simulacra_schema.did_you_mean import NO_LEVEL, closest
from simulacra_schema.faults import several_answers
from simulacra_schema.statements import split_outcome
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.design import replicate_shifts, units_in
from simulacra_trainer.effects.models.blocks import in_blocks
from simulacra_trainer.effects.models.exact_arms import are_exact
from simulacra_trainer.effects.models.features import LEVEL_KINDS, Floats, levels_of

WINDOW_SHARE = 0.1
MIN_WINDOW = 100
"""Minimum rows in a window around a number."""
BANDWIDTH = 1.06 * 1.74
"""Half-width of a window in standard deviations, times n^(-1/5): of a normal kernel (Silverman,
Density Estimation, 1986, section 3.4.2), and of a uniform one beside it (Marron & Nolan, Statistics
& Probability Letters 7, 1988)."""
Flags = npt.NDArray[np.bool_]
Design = Literal["levels", "window"]


@dataclass(frozen=True)
class Arm:
    """One side of the contrast.

    Attributes:
        rows: bool [n], rows with the arm's value, or in a window around it.
        distance: float64 [n], treatment, in blocks of persons, minus the arm's value in standard
            deviations; None if the rows have exactly that value.
        in_range: whether the value lies within the observed range.
    """

    rows: Flags
    distance: Floats | None
    in_range: bool = True


@dataclass(frozen=True)
class Contrast:
    """Two arms and an outcome, over the rows with known treatment and outcome.

    Attributes:
        rows: int64 [n], positions in the table.
        value: the arm of the treatment value.
        outcome: float64 [n].
        outcome_level: the level whose share is the outcome; None for a number.
        design: levels: rows with exactly the values; window: rows around them.
        weights: survey weights, float64 [n]; None if there are none.
        persons: of each row, int64 [n]; None where each row is its own person.
        units: of errors, int64 [n]: the clusters of the rows, else the persons.
        shifts: of the replicate weights, which errors follow from instead of the units, float64
            [n, replicates] (`design.replicate_shifts`); None without.
    """

    rows: npt.NDArray[np.int64]
    value: Arm
    baseline: Arm
    outcome: Floats
    outcome_column: str
    outcome_level: str | None
    design: Design
    weights: Floats | None = None
    persons: Ints | None = None
    units: Ints | None = None
    shifts: Floats | None = None

    @property
    def survey(self) -> Floats:
        """Survey weights, float64 [n]; ones if there are none."""
        return np.ones(self.outcome.size) if self.weights is None else self.weights

    def mean(self, values: Floats, rows: Flags | None = None) -> float:
        """Return the mean over all or some rows, by survey weight if there are weights."""
        chosen = slice(None) if rows is None else rows
        weights = None if self.weights is None else self.weights[chosen]
        return float(np.average(values[chosen], weights=weights))


def read_contrast(
    table: pa.Table,
    schema: TableSchema,
    request: EstimateRequest,
    as_before: Design | None = None,
) -> Contrast:
    """Return the contrast of a request.

    The outcome is a number or boolean column, or COL=LEVEL for the share of a level.

    as_before: how numbers are compared in the whole table, if these are some of its rows.

    Raises:
        InputError: an unknown or unlearned column or level, an outcome that is not a number, or
            equal value and baseline; the pointer names the field of the request.
    """
    treatment = _learned(schema, request.treatment, "/treatment")
    column, level = read_outcome(schema, request.outcome)
    name = column.name
    if name == treatment.name:
        raise _invalid("/outcome", "The outcome is the treatment column.", "Name another column.")
    outcome = outcome_values(table, name, level)
    is_level = treatment.kind in LEVEL_KINDS
    if is_level:
        positions = codes_of(table.column(treatment.name))
        known = positions >= 0
    else:
        values = as_floats(table.column(treatment.name))
        known = ~np.isnan(values)
    rows = np.flatnonzero(known & ~np.isnan(outcome))
    if is_level:
        levels = levels_of(table, treatment.name)
        value: float = _level(levels, request.value, "/value")
        baseline: float = _level(levels, request.baseline, "/baseline")
        arms = [Arm(positions[rows] == at, None) for at in (value, baseline)]
        design: Design = "levels"
    else:
        value, baseline = _number(request.value, "/value"), _number(request.baseline, "/baseline")
        blocks = in_blocks(values, persons_in(table, schema))
        asked, numbers = (value, baseline), values[rows]
        # Parallel trends compare groups, whatever their codes: no curve joins them.
        is_exact = as_before == "levels"
        if as_before is None:
            is_exact = are_exact(numbers, asked, groups=bool(request.parallel_trends))
        if is_exact:
            design, arms = "levels", [Arm(numbers == own, None) for own in asked]
        else:
            design, arms = "window", _windows(numbers, blocks[rows], asked, treatment)
    if value == baseline:
        message = "The baseline must differ from the treatment value."
        raise _invalid("/baseline", message, "Name two values.")
    weights = row_weights(table, schema)
    own = None if weights is None else weights[rows]
    found = table.take(rows)
    who, units = persons_in(found, schema), units_in(found, schema)
    shifts = replicate_shifts(table, schema)
    shifts = None if shifts is None else shifts[rows]
    arm, other = arms
    return Contrast(rows, arm, other, outcome[rows], name, level, design, own, who, units, shifts)


def _windows(
    values: Floats, blocks: Floats, asked: tuple[float, float], column: ColumnSchema
) -> list[Arm]:
    """Return the nearest blocks of both numbers as arms."""
    spread = max(float(values.std()), 1e-300) if values.size else 1.0
    arms = []
    for own, other in (asked, asked[::-1]):
        distance = np.abs(blocks - own)
        rows = (distance <= window_reach(blocks, own)) & (distance < np.abs(blocks - other))
        arms.append(Arm(rows, (blocks - own) / spread, is_observed(column, blocks, own)))
    return arms


def is_observed(column: ColumnSchema, blocks: Floats, value: float) -> bool:
    """Return whether a number lies within the range that the schema says, or that of the blocks."""
    low, high = column.minimum, column.maximum
    if low is None or high is None:
        low, high = (float(blocks.min()), float(blocks.max())) if blocks.size else (1.0, 0.0)
    return low <= value <= high


def window_reach(blocks: Floats, at: float) -> float:
    """Return how far from a number rows still say who has it.

    As far as a kernel estimate of a curve looks, which a smooth curve of all rows bears; farther
    where few rows are near.

    blocks: float64 [n] without missing ones.
    """
    size = min(max(int(WINDOW_SHARE * blocks.size), MIN_WINDOW), blocks.size)
    if not size:
        return 0.0
    quarters = np.quantile(blocks, (0.25, 0.75))  # of a normal 1.349 deviations apart
    spread = min(float(blocks.std()), float(quarters[1] - quarters[0]) / 1.349)
    least = float(np.partition(np.abs(blocks - at), size - 1)[size - 1])
    return max(BANDWIDTH * spread * float(blocks.size) ** -0.2, least)


def read_outcome(
    schema: TableSchema, text: str, pointer: str = "/outcome"
) -> tuple[ColumnSchema, str | None]:
    """Return the column and level (None for numbers) of the outcome COL or COL=LEVEL.

    Of a yes/no column alone it is the yes, in whatever words.

    pointer: of the field with this text.
    """
    name, level = split_outcome(text, schema)
    column = _learned(schema, name, pointer)
    if column.kind not in LEVEL_KINDS:
        if column.kind == "datetime":
            what = "Name a number, a boolean, or COL=LEVEL."
            raise _invalid("/outcome", "The outcome is a date.", what)
        if level is not None:
            message = "The outcome names a level of a numeric column."
            raise _invalid("/outcome", message, "Name the column alone.")
        return column, None
    if level is not None:
        return column, level
    if column.kind != "boolean":
        what = "Write COL=LEVEL to name the level whose share is the outcome."
        raise _invalid("/outcome", "The outcome is a category.", what)
    levels = column.level_values() or ["true"]
    return column, "true" if "true" in levels else levels[-1]  # the no is first


def outcome_values(table: pa.Table, name: str, level: str | None) -> Floats:
    """Return numbers of a column, or 1 where it has a level and else 0; NaN where missing."""
    if level is None:
        return as_floats(table.column(name))
    positions = codes_of(table.column(name))
    at = _level(levels_of(table, name), level, "/outcome")
    return np.where(positions < 0, np.nan, (positions == at).astype(np.float64))


def _learned(schema: TableSchema, name: str, pointer: str) -> ColumnSchema:
    column = schema.find(name)
    if column is None:
        what = f"Unknown column: {name!r}.{closest(name, schema.names())}"
        raise _invalid(pointer, "The table has no column of this name.", what)
    if column.kind == "multi":
        raise _invalid(pointer, "The column holds several answers.", several_answers(column).detail)
    if not column.learned:
        message = "The model does not contain this column."
        raise _invalid(pointer, message, f"Column not learned: {name!r} ({column.kind}).")
    return column


def _level(levels: list[str], given: float | str, pointer: str) -> int:
    """Return the position of a level."""
    level = level_in(given, levels)
    if level is None:
        raise _invalid(pointer, NO_LEVEL, closest(str(given), levels).strip())
    return levels.index(level)


def _number(given: float | str, pointer: str) -> float:
    try:
        number = float(given)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        message = "The treatment is numeric, so the value must be a number."
        raise _invalid(pointer, message, f"Not a number: {given!r}.")
    return number


def _invalid(pointer: str, message: str, what: str) -> InputError:
    return invalid_request(message, f"{message} {what}".strip(), pointer)

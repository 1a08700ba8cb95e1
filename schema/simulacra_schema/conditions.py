"""Conditions of a generation, and their checks against the schema of the data.

    {"categorical": {"segment": {"genz_switcher": 0.30}}, "numeric": {"price": {"max": 5.49}},
     "quotas": [{"where": {"age": {"max": 27}, "region": {"levels": ["north"]}}, "min": 0.1}]}

A categorical entry states the shares of some levels; other levels keep their natural mix. For a
column of several answers it states the share of the rows that have each option. A numeric entry
states a closed range for every row. A quota states the share of a cell. All entries hold together.
"""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from operator import not_
from typing import Annotated, Any

from pydantic import Field

from simulacra_schema.base import (
    ColumnName,
    KubeModel,
    LevelName,
    level_of,
    no_default,
    optional_list,
    ruled,
)
from simulacra_schema.faults import UNLEARNED, Fault, Wrong, no_column, no_level, several_answers
from simulacra_schema.quotas import MAX_QUOTAS, Quota, Share
from simulacra_schema.ranges import Finite as Finite
from simulacra_schema.ranges import NumericRange as NumericRange
from simulacra_schema.table import ColumnSchema, TableSchema, part_name

MAX_CONDITIONS = 32
Shares = Annotated[dict[LevelName, Share], Field(min_length=1, max_length=200)]

_TWO_CONDITIONS = "a column with two conditions"
_OPTION_TWICE = Wrong(_TWO_CONDITIONS, "The option has a condition of its own; set one of the two.")
_BOTH_CONDITIONS = Wrong(
    _TWO_CONDITIONS, "Set either a categorical or a numeric condition on this column, not both."
)
_SAME_LEVEL = Wrong(
    "the same level twice", "Two of the levels are the same number; give its share once."
)
_NO_BOUND = Wrong("a range without min and max", "Give min, max or both.")
_NO_DATES = Wrong("a range without dates", "The column has dates; give earliest, latest or both.")
_NO_DATE_COLUMN = Wrong(
    "dates of a column without dates", "The column has numbers; give min and max."
)
_NO_DAY = Wrong("no date", "No calendar has this date; write it as 2024-03-31.")
_NO_WHOLE = Wrong(
    "a range without whole numbers",
    "The range holds no whole number, but the column has only these. Widen it.",
)
_NO_DO_OF_DATES = Wrong(
    "do() on a date", "The column has dates, which do() cannot set; use a condition instead."
)
_NO_NUMBER = Wrong("a column without a number", "The column has no number; name another.")
_NUMBER_NEEDED = Wrong("a number is needed", "The column is numeric; give a number.")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]*)?")


class ConditionSet(KubeModel):
    """All conditions of a generation; they must hold together."""

    model_config = ruled(
        (
            "!has(self.categorical) || !has(self.numeric) || "
            "!self.categorical.exists(c, c in self.numeric)",
            "a column is in categorical and in numeric; set one of the two",
        )
    )

    categorical: dict[ColumnName, Shares] = Field(
        default_factory=dict,
        max_length=MAX_CONDITIONS,
        description="Shares (0..1) of levels, by column; other levels keep their natural mix. "
        "Their sum may exceed 1 where persons give several answers: it is compared with the schema "
        "of the dataset before a Job is made.",
    )
    numeric: dict[ColumnName, NumericRange] = Field(
        default_factory=dict,
        max_length=MAX_CONDITIONS,
        description="A closed range for every row, by column; min equal to max fixes the value.",
    )
    quotas: list[Quota] = optional_list(
        "Shares of cells: rows with a range, a level, or several at once.",
        max_length=MAX_QUOTAS,
        json_schema_extra=no_default,
        exclude_if=not_,  # an earlier release does not know the field
    )

    def columns(self) -> list[str]:
        """Return the conditioned columns, categorical ones first, those of quotas alone last."""
        of_quotas = (name for quota in self.quotas for name in quota.where)
        return [*dict.fromkeys([*self.categorical, *self.numeric, *of_quotas])]


def check_conditions(conditions: ConditionSet, schema: TableSchema) -> Iterator[Fault]:
    """Yield what the schema says against conditions: one entry for each invalid field."""
    for name, shares in conditions.categorical.items():
        yield from _check_shares(name, shares, schema)
    for name, bounds in conditions.numeric.items():
        at = ("conditions", "numeric", name)
        if wrong := wrong_range(name, bounds, schema):
            yield wrong.at(*at)
        if name in conditions.categorical:
            yield _BOTH_CONDITIONS.at(*at)
    for name, shares in conditions.categorical.items():
        column = schema.find(name)
        named = {part_name(name, option) for option in shares} & set(conditions.categorical)
        if named and column is not None and column.kind == "multi":
            yield _OPTION_TWICE.at("conditions", "categorical", min(named))


def wrong_column(name: str, schema: TableSchema) -> Wrong | None:
    """Return why no range, value or treatment can be of a column, None if one can."""
    column = schema.find(name)
    if column is None:
        return no_column(name, schema)
    if column.kind == "multi":
        return several_answers(column)
    if column.learned:
        return None
    return Wrong(UNLEARNED, f"The column is {column.kind} and not learned; name another.")


def wrong_value(name: str, value: Any, schema: TableSchema) -> Wrong | None:
    """Return what is wrong with do(column = value), None if it is valid.

    A numeric column has a number, another column one of its levels.
    """
    if wrong := wrong_column(name, schema):
        return wrong
    column = schema.column(name)
    if column.kind == "datetime":
        return _NO_DO_OF_DATES
    if value_in(value, column) is None:
        levels = column.level_values()
        return _NUMBER_NEEDED if column.is_numeric else no_level(level_of(value), levels)
    if operands := schema.following().get(name):
        of = ", ".join(f'"{operand}"' for operand in operands[:5])
        detail = f"The column is computed from others; set one of these: {of}."
        return Wrong("a column that follows from others", detail)
    return None


def same_value(one: Any, other: Any, column: ColumnSchema | None) -> bool:
    """Return whether two values of a column are one: equal, or the same number or level."""
    named = None if column is None else value_in(one, column)
    return bool(one == other) or (
        column is not None and named is not None and named == value_in(other, column)
    )


def value_in(value: Any, column: ColumnSchema) -> float | str | None:
    """Return the number or level of a column that a JSON value names; None if it names none.

    Not every door can tell the two apart, so a number may come as text, and a level as a number.
    """
    if not column.is_numeric:
        return level_in(value, column.level_values())
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        is_number = isinstance(value, str) and "_" not in value  # which Python reads over
        number = float(value) if is_number else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def level_in(value: Any, levels: Sequence[str]) -> str | None:
    """Return the level that a JSON value names: the same word, or the only same number.

    Programs that read numbers with gaps as floats write 1.0 for the level "1".
    """
    if (word := level_of(value)) in levels:
        return word
    number = number_of(word)
    same = [one for one in levels if number_of(one) == number] if number is not None else []
    return same[0] if len(same) == 1 else None


def number_of(word: str) -> float | None:
    """Return the number that a level is, None if it is none."""
    return float(word) if _NUMBER.fullmatch(word) else None


def _check_shares(name: str, shares: dict[str, float], schema: TableSchema) -> Iterator[Fault]:
    at = ("conditions", "categorical", name)
    column = schema.find(name)
    if column is None or not column.learned:
        if wrong := wrong_column(name, schema):
            yield wrong.at(*at)
        return
    levels = column.level_values()
    named = {level: level_in(level, levels) for level in shares}
    unknown = [level for level, found in named.items() if found is None]
    if not levels and column.kind != "multi":
        detail = f"The column is {column.kind}; use conditions.numeric with min and max."
        yield Wrong("shares of a column without levels", detail).at(*at)
        return
    yield from (no_level(level, levels).at(*at, level) for level in unknown)
    if column.kind == "multi":  # each option is a condition of its own
        return
    if len(set(named.values()) - {None}) + len(unknown) < len(named):
        yield _SAME_LEVEL.at(*at)
    total = sum(shares.values())
    if total > 1 + 1e-9:
        yield Wrong("sum above 1", f"The shares sum to {total:.4g}; the limit is 1.").at(*at)
    elif set(named.values()) >= set(levels) and not column.missing_share and total < 1 - 1e-6:
        detail = f"Every level is named, but the shares sum to {total:.4g}; make them sum to 1."
        yield Wrong("shares of all levels sum below 1", detail).at(*at)


def wrong_range(name: str, bounds: NumericRange, schema: TableSchema) -> Wrong | None:
    """Return what is wrong with a range of numbers or dates, None if it is valid."""
    if wrong := wrong_column(name, schema):
        return wrong
    column = schema.column(name)
    is_date = column.kind == "datetime"
    if not column.is_numeric and not is_date:
        detail = f"The column is {column.kind}; use conditions.categorical with shares."
        return Wrong("a range of a column without numbers", detail)
    if not (bounds.has_numbers or bounds.has_dates):
        return _NO_DATES if is_date else _NO_BOUND
    if bounds.has_dates != is_date or (bounds.has_numbers and bounds.has_dates):
        return _NO_DATES if is_date else _NO_DATE_COLUMN
    try:
        low, high = bounds.ends()
    except ValueError:
        return _NO_DAY
    if low > high:
        ends = ("min", "max", f"{low:g}", f"{high:g}")
        if is_date:
            ends = ("earliest", "latest", str(bounds.earliest), str(bounds.latest))
        above = "after" if is_date else "above"
        detail = f"{ends[0]} {ends[2]} is {above} {ends[1]} {ends[3]}, so no row can meet the range"
        return Wrong(f"{ends[0]} {above} {ends[1]}", f"{detail}; exchange them.")
    if column.minimum is None or column.maximum is None:
        return _NO_NUMBER
    least, most = column.minimum, column.maximum
    shown = f"{least:g} to {most:g}"
    if is_date:  # the schema has seconds
        shown = " to ".join(
            datetime.fromtimestamp(end, UTC).date().isoformat() for end in (least, most)
        )
        least, most = least * 1e6, most * 1e6
    if high < least or low > most:
        return Wrong("range outside of the data", f"The range is outside of the data ({shown}).")
    if column.kind == "integer" and math.ceil(max(low, least)) > math.floor(min(high, most)):
        return _NO_WHOLE
    return None

"""What generated rows are worth: their evidence weight, and the margin of a share.

Users import these from `simulacra.inference`.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

EVIDENCE_WEIGHT = "evidence_weight"
PAIR = ("pair", "world")
"""First columns of counterfactual tables, maybe with underscores."""
TEXT = (
    "is text, where a number is needed. Read the CSV with the arguments that the command printed "
    '(sep=";", decimal=","), or download it with --plain or as Parquet.'
)
Z95 = 1.959963984540054


def worth(
    table: Any, question: str | None = None, report: Mapping[str, Any] | None = None
) -> float:
    """Return how many respondents the rows are worth: the sum of their evidence weights.

    Args:
        table: generated rows as a pandas, polars or pyarrow table; any part of them is worth its
            share. Of counterfactual pairs, the rows of one world.
        question: a column, for what the rows are worth for its shares alone.
        report: of the model. If the survey has sampling points or strata, the question's own
            design effect takes the place of the table's, which is that of 80 % of the questions.

    Raises:
        ValueError: there is no such column, it is text, it is empty because the worth was not
            measured, or the rows are of both worlds.
    """
    names = _names(table)
    column = weight_column(table)
    if [name.rstrip("_") for name in names[:2]] == [*PAIR] and len(set(_list(table, names[1]))) > 1:
        message = f"The rows are pairs. Keep one world: rows with one value of {names[1]}."
        raise ValueError(message)
    weights = _list(table, column)
    if any(isinstance(weight, str) for weight in weights):
        raise ValueError(f"{column} {TEXT}")
    if any(weight is None or math.isnan(weight) for weight in weights):
        message = f"{column} is empty: what these rows are worth was not measured."
        raise ValueError(message)
    total, design = math.fsum(weights), (report or {}).get("design")
    if question is None or not design or not total > 0:
        return total
    effects = {one["column"]: one["design_effect"] for one in design["questions"]}
    own: float = effects.get(question, design["design_effect"]) / design["design_effect"]
    drawn = 1.0 / len(weights)  # the draw of the rows adds this variance, whatever the design
    return 1.0 / (own * max(1.0 / total - drawn, 0.0) + drawn)


def weight_column(table: Any) -> str:
    """Return the name of the evidence weight: the last one, if the upload had the name as well."""
    found = [name for name in _names(table) if name.rstrip("_") == EVIDENCE_WEIGHT]
    if not found:
        message = f"The table has no column {EVIDENCE_WEIGHT}. Generate it with evidence."
        raise ValueError(message)
    return found[-1]


def margin(share: float, worth: float) -> float:
    """Return half the width of the 95 % interval of a share, 0..1, of rows worth `worth`.

    Raises:
        ValueError: a share outside 0..1, or rows that are worth nothing.
    """
    if not 0 <= share <= 1 or not worth > 0:
        message = "A margin needs a share from 0 to 1 and rows that are worth more than 0."
        raise ValueError(message)
    return Z95 * math.sqrt(share * (1 - share) / worth)


def _names(table: Any) -> list[str]:
    names: Iterable[Any] = getattr(table, "column_names", None) or table.columns
    return [str(name) for name in names]


def _list(table: Any, name: str) -> list[Any]:
    column = table[name]
    values = column.to_pylist() if hasattr(column, "to_pylist") else column.to_list()
    return list(values)

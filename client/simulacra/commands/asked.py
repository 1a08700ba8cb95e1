"""Conditions and interventions of a command: flags (--share, --range, --do) or JSON files.

Columns and levels are checked against the schema before the request, so that a typing error is
answered with the nearest name. Everything else is the service's to check.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from simulacra.commands.options import existing, load, option
from simulacra.models import Json, Schema
from simulacra.named_values import (
    by_name,
    interventions_of,
    known_name,
    level_named,
    number_of,
    split_name,
)
from simulacra.quota_cells import FORM, quotas_of, range_of

Shares = Annotated[
    list[str] | None, option("Share of a level, 0.5 or 50%.", "--share", metavar="COL=LEVEL=SHARE")
]
Ranges = Annotated[
    list[str] | None,
    option("Range of a number or date; an end may be empty.", "--range", metavar="COL=MIN:MAX"),
]
Do = Annotated[
    list[str] | None,
    option(
        "Intervention: set the column for everyone. Or a JSON file {column: value}.",
        "--do",
        metavar="COL=VALUE",
    ),
]
QuotaFlags = Annotated[
    list[str] | None,
    option(
        f"Quota of a cell: {FORM}. Or a sheet of cells, .csv or .xlsx. Repeat it.",
        "--quota",
        metavar="CELL:SHARE",
    ),
]
Conditions = Annotated[Path | None, existing("JSON file: the `conditions` object.", "--conditions")]


class Asked:
    """The conditions and interventions of one command, before the schema is known.

    Raises:
        typer.BadParameter: a file is no JSON object.
    """

    def __init__(
        self,
        conditions: Path | None = None,
        shares: Sequence[str] | None = None,
        ranges: Sequence[str] | None = None,
        do: Sequence[str] | None = None,
        quotas: Sequence[str] | None = None,
        rows: int | None = None,
    ) -> None:
        self._conditions = load(conditions)
        self._shares = shares or ()
        self._ranges = ranges or ()
        self._quotas = quotas or ()
        self._rows = rows
        self._do_files = [one for one in do or () if "=" not in one or Path(one).is_file()]
        self._do_flags = [one for one in do or () if one not in self._do_files]
        self._do_loaded = [load(_existing(Path(one))) or {} for one in self._do_files]

    def resolve(self, schema_of: Callable[[], Schema]) -> tuple[Json | None, Json | None]:
        """Return `conditions` and `interventions` for the request, None where nothing is asked.

        The schema is read only if a flag needs it.

        Raises:
            ValueError: a flag names no column or level of the dataset, or no value.
        """
        flags = (self._shares, self._ranges, self._quotas, self._do_flags, self._do_loaded)
        if not any(flags):
            return self._conditions, None
        schema = schema_of()
        columns = by_name(schema)
        conditions: Json = {**(self._conditions or {})}
        for text in self._shares:
            column, level, share = _share(text, columns)
            conditions["categorical"] = _with(conditions, "categorical", column, {level: share})
        for text in self._ranges:
            column, bounds = _range(text, columns)
            conditions["numeric"] = _with(conditions, "numeric", column, bounds)
        for text in self._quotas:
            found = quotas_of(text, schema, "--quota", self._rows)
            conditions["quotas"] = [*conditions.get("quotas", ()), *found]
        do: Json = {}
        for one in self._do_loaded:
            do |= interventions_of(one, schema, "--do")
        do |= interventions_of(self._do_flags, schema, "--do")
        return conditions or None, do or None


def check_names(columns: Json, /, **named: str | Sequence[str] | None) -> None:
    """Check columns that options name, given by the options' names.

    Raises:
        ValueError: no such column; the nearest one is named.
    """
    for parameter, names in named.items():
        flag = f"--{parameter.replace('_', '-')}"
        for name in [names] if isinstance(names, str) else names or ():
            known_name(name, columns, flag)


def as_number(text: str, noun: str) -> float:
    """Return the number of a treatment or lever that is numeric."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text}: the {noun} is numeric. Give a number.") from None


def _existing(path: Path) -> Path:
    if path.is_file():
        return path
    raise typer.BadParameter(f"--do {path}: write COL=VALUE, or name a JSON file that exists.")


def _with(conditions: Json, kind: str, column: str, values: Json) -> Json:
    known = dict(conditions.get(kind) or {})
    return {**known, column: {**(known.get(column) or {}), **values}}


def _share(text: str, columns: Json) -> tuple[str, str, float]:
    form = 'COL=LEVEL=SHARE, such as happiness="very happy"=0.5'
    column, rest = split_name(text, columns, "--share", form)
    level, equals, share = rest.rpartition("=")
    if not equals:
        raise ValueError(f"--share {text}: write {form}.")
    number = number_of(share.removesuffix("%"), "--share", text) / (100 if "%" in share else 1)
    if not 0 <= number <= 1:
        raise ValueError(f"--share {text}: write a share from 0 to 1, or from 0% to 100%.")
    return column, level_named(level, column, columns, "--share"), number


def _range(text: str, columns: Json) -> tuple[str, Json]:
    form = "COL=MIN:MAX, such as price=5:6 or price=5:"
    column, rest = split_name(text, columns, "--range", form)
    low, colon, high = rest.partition(":")
    if not colon or not (low or high):
        raise ValueError(f"--range {text}: write {form}.")
    if columns.get(column, {}).get("kind") == "datetime":
        return column, range_of(low.strip() or None, high.strip() or None)
    ends = {"min": low.strip(), "max": high.strip()}
    return column, {name: number_of(end, "--range", text) for name, end in ends.items() if end}

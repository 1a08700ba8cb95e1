"""Quotas as people write them: in a line, in Python, or in the sheet of a field department.

    age=18..27,segment=switcher:30%

A sheet (.csv, .xlsx) has a column for each variable and a row for each cell; its last columns are
share, percent, count, or min and max. An empty cell leaves the variable open.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulacra.models import Json, Schema
from simulacra.named_values import NUMERIC, by_name, known_name, level_named
from simulacra.optional import optional

Quotas = str | Path | Sequence[Mapping[str, Any] | str]
"""A sheet, or quotas, each as a mapping or in a line."""
FORM = "COL=VALUE,COL=LOW..HIGH:SHARE, such as age=18..27,segment=switcher:30%"
SHARES = ("share", "percent", "%", "count", "min", "max")
_DASH = re.compile(r"(-?[\d.]+)\s*[-\N{EN DASH}]\s*(-?[\d.]+)")
DAY = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?")
"""A date or a moment, ISO 8601."""
_SUFFIXES = (".csv", ".xlsx")


def is_sheet(text: str) -> bool:
    """Return whether a text names a file of quotas."""
    return Path(text).suffix.lower() in _SUFFIXES


def quotas_of(
    quotas: Quotas, schema: Schema, said: str = "quotas", rows: int | None = None
) -> list[Json]:
    """Return the `quotas` of a request.

    An error names them as `said`: the argument or the flag. Counts need the `rows` of the table.

    Raises:
        ValueError: they name no column or level of the dataset, or have no share.
    """
    columns = by_name(schema)
    if isinstance(quotas, str | Path):
        text = str(quotas)
        if is_sheet(text):
            path = Path(text)
            return quotas_in(cells_in(path, said), path.name, columns, said, rows)
        return [_in_line(text, columns, said)]
    return [
        _in_line(one, columns, said) if isinstance(one, str) else _in_python(one, columns, said)
        for one in quotas
    ]


def range_of(low: Any, high: Any) -> Json:
    """Return a range of numbers, or of dates (ISO 8601 or `datetime`); None is an open end."""
    ends = [one.isoformat() if hasattr(one, "isoformat") else one for one in (low, high)]
    is_date = any(isinstance(one, str) and DAY.match(one) for one in ends)
    names = ("earliest", "latest") if is_date else ("min", "max")
    return {name: one for name, one in zip(names, ends, strict=True) if one is not None}


def _in_python(quota: Mapping[str, Any], columns: Json, said: str) -> Json:
    where = {
        known_name(name, columns, said): range_of(*part) if isinstance(part, tuple) else part
        for name, part in quota.get("where", {}).items()
    }
    return {**quota, "where": where}


def _in_line(text: str, columns: Json, said: str) -> Json:
    cells, colon, share = text.rpartition(":")
    if not colon:
        raise ValueError(f"{said} {text}: write {FORM}.")
    parts: list[str] = []
    for piece in cells.split(","):
        if parts and piece.partition("=")[0].strip() not in columns and "=" not in piece:
            parts[-1] += f",{piece}"  # a level with a comma
        else:
            parts.append(piece)
    where = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"{said} {text}: write {FORM}.")
        name = known_name(name.strip(), columns, said)
        where[name] = _part(value.strip(), name, columns, said)
    return {"where": where, **_shares(share.strip(), f"{said} {text}")}


def _shares(text: str, said: str) -> Json:
    """Return the share of a text: 30%, 0.3, 10%..20%, >=10%, <=20%."""
    if text.startswith((">=", "<=")):
        return {"min" if text[0] == ">" else "max": _share(text[2:], said)}
    low, dots, high = text.partition("..")
    if not dots:
        return {"share": _share(text, said)}
    if high.strip().endswith("%") and low and not low.strip().endswith("%"):
        low += "%"
    ends = {"min": low, "max": high}
    return {name: _share(end, said) for name, end in ends.items() if end.strip()}


def _share(text: str, said: str) -> float:
    word = text.strip().replace(",", ".")
    try:
        number = float(word.removesuffix("%")) / (100 if word.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ValueError(f"{said}: write a share from 0 to 1, or from 0% to 100%, not {text}.")
    return number


def _part(text: str, name: str, columns: Json, said: str) -> Json:
    """Return what a text asks of a column: levels with | between them, or a range."""
    column = columns.get(name, {})
    levels = [str(one["value"]) for one in column.get("levels") or ()]
    kind = column.get("kind")
    words = [text] if text in levels else [one.strip() for one in text.split("|")]
    if set(words) <= set(levels) or (kind not in NUMERIC and kind != "datetime"):
        return {"levels": [level_named(one, name, columns, said) for one in words]}
    low, high = _ends(text)
    if kind == "datetime":
        if any(end and not DAY.fullmatch(end) for end in (low, high)):
            raise ValueError(f"{said}: {name}={text}: write dates as 2024-01-31..2024-03-31.")
        return range_of(low or None, high or None)
    try:
        return range_of(float(low) if low else None, float(high) if high else None)
    except ValueError:
        raise ValueError(f"{said}: {name}={text}: write a number, or LOW..HIGH.") from None


def _ends(text: str) -> tuple[str, str]:
    """Return the ends of a range as a person writes them: 18..27, 18-27, 65+, >=65, <=17."""
    low, dots, high = text.partition("..")
    if dots:
        return low.strip(), high.strip()
    if found := _DASH.fullmatch(text):
        return found[1], found[2]
    if text.endswith("+"):
        return text[:-1].strip(), ""
    if text.startswith((">=", "<=")):
        return (text[2:].strip(), "") if text[0] == ">" else ("", text[2:].strip())
    return text, text


def quotas_in(
    table: Sequence[Sequence[str]], sheet: str, columns: Json, said: str, rows: float | None
) -> list[Json]:
    """Return the quotas in the cells of a sheet, of which errors say the name."""
    if len(table) < 2:
        raise ValueError(f"{said} {sheet}: the sheet has no row below its header.")
    head = [one.strip() for one in table[0]]
    shares = [at for at, one in enumerate(head) if one.lower() in SHARES and one not in columns]
    if not shares:
        raise ValueError(f"{said} {sheet}: name a column share, percent, count, min or max.")
    names = {at: known_name(one, columns, said) for at, one in enumerate(head) if at not in shares}
    quotas = []
    for number, row in enumerate(table[1:], 2):
        where_said = f"{said} {sheet}, row {number}"
        where = {
            name: _part(row[at].strip(), name, columns, where_said)
            for at, name in names.items()
            if row[at].strip()
        }
        if not where:
            raise ValueError(f"{where_said}: the row names no cell; fill in a variable.")
        said_shares = {}
        for at in shares:
            key = head[at].lower()
            if text := row[at].strip():
                name = key if key in ("min", "max") else "share"
                said_shares[name] = _sheet_share(text, key, rows, where_said)
        quotas.append({"where": where, **said_shares})
    return quotas


def _sheet_share(text: str, key: str, rows: float | None, said: str) -> float:
    if key == "count":
        if rows is None:
            raise ValueError(f"{said}: a sheet with counts needs the number of rows.")
        return _share(str(float(text) / rows), said)
    is_percent = key in ("percent", "%") and not text.endswith("%")
    return _share(f"{text}%" if is_percent else text, said)


def cells_in(path: Path, said: str) -> list[list[str]]:
    """Return the filled rows of a sheet as text, all of one length."""
    if not path.is_file():
        raise ValueError(f"{said} {path}: there is no such file.")
    if path.suffix.lower() == ".xlsx":
        calamine = optional("python_calamine", "trainer")
        sheet = calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0)
        table = [[_word(one) for one in row] for row in sheet.to_python()]
    else:
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        comma = max(",;\t", key=first.count)
        table = list(csv.reader(io.StringIO(text), delimiter=comma))
    table = [row for row in table if any(one.strip() for one in row)]
    width = max((len(row) for row in table), default=0)
    return [row + [""] * (width - len(row)) for row in table]


def _word(value: Any) -> str:
    """Return a value of a workbook as text: whole numbers without a point, dates in ISO 8601."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if hasattr(value, "isoformat"):
        return str(value.isoformat()).removesuffix("T00:00:00")
    return str(value)

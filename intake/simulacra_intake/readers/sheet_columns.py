"""Columns of a worksheet: cells of mixed types collected in chunks and unified at the end."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_KINDS: dict[type, str] = {
    bool: "bool",
    int: "number",
    float: "number",
    dt.datetime: "moment",
    dt.date: "moment",
}
_TYPES = {
    "bool": pa.bool_(),
    "number": pa.float64(),
    "moment": pa.timestamp("us"),
    "text": pa.string(),
}
_MIDNIGHT = dt.time()
Cell = Any


class SheetColumn:
    """A column of numbers, booleans or times if all its cells agree, else of text."""

    def __init__(self) -> None:
        self._chunks: list[tuple[str, pa.Array]] = []

    def add(self, cells: Sequence[Cell]) -> None:
        """Take the next cells (None, bool, int, float, str, datetime, date, time, timedelta)."""
        kinds = {_KINDS.get(type(cell), "text") for cell in cells if cell is not None}
        if not kinds:
            self._chunks.append(("null", pa.nulls(len(cells))))
            return
        kind = kinds.pop() if len(kinds) == 1 else "text"
        values = (
            [_text(cell) for cell in cells] if kind == "text" else [_moment(cell) for cell in cells]
        )
        self._chunks.append((kind, pa.array(values, _TYPES[kind])))

    def values(self) -> pa.Array:
        """Return all cells as one array: null, bool, double, date32, timestamp[us] or string."""
        kinds = {kind for kind, _ in self._chunks} - {"null"}
        if not kinds:
            return pa.nulls(sum(len(chunk) for _, chunk in self._chunks))
        kind = kinds.pop() if len(kinds) == 1 else "text"
        whole = pa.concat_arrays([_as(kind, own, chunk) for own, chunk in self._chunks])
        if (
            kind == "moment"
            and pc.all(pc.equal(whole, pc.floor_temporal(whole, unit="day"))).as_py()
        ):
            return whole.cast(pa.date32())
        return whole


def _as(kind: str, own: str, chunk: pa.Array) -> pa.Array:
    if own in (kind, "null"):
        return chunk.cast(_TYPES[kind])
    return pa.array([_text(cell) for cell in chunk.to_pylist()], pa.string())


def _moment(cell: Cell) -> Cell:
    return dt.datetime.combine(cell, _MIDNIGHT) if type(cell) is dt.date else cell


def _text(cell: Cell) -> str | None:
    """Return a cell as a person would write it."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    if isinstance(cell, dt.datetime) and cell.time() == _MIDNIGHT:
        return cell.date().isoformat()
    return cell.isoformat(sep=" ") if isinstance(cell, dt.datetime) else str(cell)

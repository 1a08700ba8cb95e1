"""Columns, levels and values as people write them, checked against a schema.

The command line and Python read interventions here, so that both take the same and refuse it in the
same words: a name that is not known is answered with the nearest one.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from simulacra.models import Json, Schema, nearest

NUMERIC = ("integer", "numeric")
Do = Mapping[str, Any] | str | Sequence[str]
"""Interventions: {column: value}, "column=value", or several of these texts."""
TWICE = "Give either do or interventions: they are the same."


def interventions_of(do: Do, schema: Schema, said: str = "do") -> Json:
    """Return the `interventions` of a request.

    An error names them as `said`: the argument or the flag.

    Raises:
        ValueError: they name no column or level of the dataset, or no value.
    """
    columns = by_name(schema)
    if isinstance(do, Mapping):
        return {name: _value(value, name, columns, said) for name, value in do.items()}
    texts = [do] if isinstance(do, str) else do
    return dict(_assignment(text, columns, said) for text in texts)


def by_name(schema: Schema) -> Json:
    """Return the columns of a schema by name."""
    return {one["name"]: one for one in schema["columns"]}


def column_named(name: str, columns: Mapping[str, Any], said: str) -> str:
    """Return the name of a column as it is, or raise a ValueError with the nearest one."""
    if name in columns:
        return name
    near = nearest(name, list(columns))
    hint = f"Did you mean {near}?" if near else "`simulacra schema TABLE` lists the columns."
    if not near and not said.startswith("-"):
        hint = "The schema lists the columns."
    raise ValueError(f"{said}: the table has no column {name}. {hint}")


def known_name(name: str, columns: Json, said: str) -> str:
    """Return the name of a column, or of an option of several answers, which is checked there."""
    several = [one["name"] for one in columns.values() if one.get("kind") == "multi"]
    return name if name.startswith(tuple(several)) else column_named(name, columns, said)


def level_named(level: str, name: str, columns: Json, said: str) -> str:
    """Return a level of a column, or raise a ValueError with the nearest one.

    It may be written as the same number, 1.0 for 1.
    """
    levels = _levels(name, columns)
    if not levels or level in levels:
        return level
    if len(same := [one for one in levels if _is_same_number(one, level)]) == 1:
        return same[0]
    near = nearest(level, levels)
    shown = ", ".join(levels[:6]) + (" and more" if len(levels) > 6 else "")
    hint = f"Did you mean {near}?" if near else f"It has {shown}."
    raise ValueError(f"{said}: {name} has no level {level}. {hint}")


def split_name(text: str, columns: Json, said: str, form: str) -> tuple[str, str]:
    """Return the column and the rest; a column's own name may have an equals sign."""
    cuts = [at for at, sign in enumerate(text) if sign == "="]
    if not cuts:
        raise ValueError(f"{said} {text}: write {form}.")
    cut = next((at for at in cuts if text[:at] in columns), cuts[0])
    return known_name(text[:cut], columns, said), text[cut + 1 :]


def number_of(word: str, said: str, text: str) -> float:
    """Return the number of a word, or raise a ValueError with the text that it stands in."""
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"{said} {text}: {word or 'an empty text'} is not a number.") from None


def _assignment(text: str, columns: Json, said: str) -> tuple[str, Any]:
    column, value = split_name(text, columns, said, "COL=VALUE")
    return column, _value(value, column, columns, said)


def _levels(name: str, columns: Json) -> list[str]:
    return [str(one["value"]) for one in columns.get(name, {}).get("levels") or ()]


def _is_same_number(one: str, other: str) -> bool:
    with suppress(ValueError):
        return float(one) == float(other)
    return False


def _value(value: Any, name: str, columns: Json, said: str) -> Any:
    """Return a value that an intervention may set its column to."""
    known_name(name, columns, said)
    if columns.get(name, {}).get("kind") in NUMERIC:
        return number_of(value, said, f"{name}={value}") if isinstance(value, str) else value
    level = str(value)
    is_yes_no = columns.get(name, {}).get("kind") == "boolean"
    if is_yes_no and level not in _levels(name, columns):
        level = level.lower()  # True, as Python and pandas write it
    return level_named(level, name, columns, said)

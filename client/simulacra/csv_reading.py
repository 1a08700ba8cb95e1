"""How to read a generated CSV with pandas, so that it is the same table as the Parquet file."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Column = Mapping[str, Any]
EMPTY_WORDS = frozenset(
    (
        *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
        *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
"""Words that pandas reads as missing."""
_PADDED = re.compile(r"%-([dmHI])")
_NAMES = ("%a", "%A", "%b", "%B")


class Reading(NamedTuple):
    """Arguments of `pandas.read_csv`, and columns that stay text in the form of the upload."""

    arguments: dict[str, Any]
    converters: dict[str, str]
    text: list[str]

    def call(self, file: str) -> str:
        """Return the call as Python reads it."""
        parts = [f"{name}={value!r}" for name, value in self.arguments.items()]
        if self.converters:
            pairs = (f"{name!r}: {code}" for name, code in self.converters.items())
            parts.append(f"converters={{{', '.join(pairs)}}}")
        return f"pandas.read_csv({', '.join([repr(file), *parts])})"


def reading_of(schema: Mapping[str, Any], *, plain: bool = False) -> Reading:
    """Return how to read a CSV that was generated from a table."""
    dialect = {} if plain else schema.get("dialect") or {}
    decimal = dialect.get("decimal", ".")
    columns = [c for c in schema["columns"] if is_generated(c)]
    forms = {c["name"]: {} if plain else c.get("form") or {} for c in columns}
    numbers = [c for c in columns if _is_number(c) and not forms[c["name"]].get("text_format")]
    groups = [_group(forms[c["name"]], decimal) for c in numbers]
    thousands = next(filter(None, groups), "")
    found: dict[str, Any] = {}
    if dialect.get("delimiter", ",") != ",":
        found["sep"] = dialect["delimiter"]
    if decimal != ".":
        found["decimal"] = decimal
    if thousands:
        found["thousands"] = thousands
    converters, text = {}, []
    for column in numbers:
        form = forms[column["name"]]
        if _is_usual(column, form, decimal, thousands):
            continue
        if form.get("negative") == "after":
            text.append(column["name"])
        else:
            converters[column["name"]] = _converter(form)
    dates = {}
    for column in columns:
        pattern = _pattern(column, forms[column["name"]])
        if pattern is not None:
            dates[column["name"]] = pattern
        elif forms[column["name"]].get("text_format"):
            text.append(column["name"])
    if dates:
        found |= {"parse_dates": list(dates), "date_format": dates}
    words = [c for c in columns if _is_text(c)]
    as_text = [c["name"] for c in words if _may_be_read_otherwise(c)]
    if as_text or text:
        found["dtype"] = dict.fromkeys([*as_text, *text], "str")
    if any(EMPTY_WORDS.intersection(_levels(c)) for c in words):
        found |= {"keep_default_na": False, "na_values": [""]}
    return Reading(found, converters, text)


def lines(reading: Reading, file: str) -> Iterator[str]:
    """Yield what a command says of the file that it wrote."""
    yield f"Read it as the same table: {reading.call(file)}"
    if reading.text:
        names = ", ".join(reading.text)
        yield f"  {names}: text in the form of the upload; --plain or Parquet has the values"


def is_generated(column: Column) -> bool:
    """Return whether generated rows have a column: they lack weights and clusters."""
    design = ("cluster", "replicate_weight")
    return column.get("kind") != "weight" and column.get("role") not in design


def _is_number(column: Column) -> bool:
    return column.get("kind") in ("integer", "numeric") and not _is_text(column)


def _is_text(column: Column) -> bool:
    storage = column.get("storage", "")
    return storage.startswith("dictionary") or "string" in storage


def _group(form: Mapping[str, Any], decimal: str) -> str:
    return form.get("group", "") if form.get("decimal", ".") == decimal else ""


def _is_usual(column: Column, form: Mapping[str, Any], decimal: str, thousands: str) -> bool:
    """Return whether the arguments for all columns read this one as well."""
    affixed = form.get("before") or form.get("after") or form.get("factor", 1) != 1
    if affixed or form.get("negative", "sign") not in ("sign", "inner"):
        return False
    if not form and column["kind"] == "integer":
        return True
    whole = column["kind"] == "integer" or form.get("decimals") == 0
    return (whole or form.get("decimal", ".") == decimal) and form.get("group", "") in (
        "",
        thousands,
    )


def _converter(form: Mapping[str, Any]) -> str:
    """Return a function, as Python reads it, of a cell with a currency, unit or another sign."""
    steps = ""
    if form.get("negative") == "brackets":
        steps += '.replace("(", "-").replace(")", "")'
    removed = (form.get("before", ""), form.get("after", ""), form.get("group", ""))
    for part in filter(None, (each.strip() or each for each in removed)):
        steps += f'.replace({part!r}, "")'
    if form.get("decimal", ".") != ".":
        steps += '.replace(",", ".")'
    factor = form.get("factor", 1)
    times = "" if factor == 1 else f" * {factor!r}"
    return f'lambda t: float(t{steps}.replace(" ", "")){times} if t else float("nan")'


def _pattern(column: Column, form: Mapping[str, Any]) -> str | None:
    """Return the format of a column of dates for pandas; None of others, and of names of months."""
    if not column.get("storage", "").startswith(("date", "timestamp")):
        return None
    pattern = form.get("text_format")
    if pattern is None:
        return "ISO8601"
    if form.get("language") not in (None, "en") and any(name in pattern for name in _NAMES):
        return None
    return _PADDED.sub(r"%\1", pattern)


def _levels(column: Column) -> Sequence[str]:
    """Return the words that rows may have, public levels that no row had included."""
    own = [level["value"] for level in column.get("levels") or ()]
    public = (column.get("published") or {}).get("words") or ()
    return [*own, *public, column.get("constant") or ""]


def _may_be_read_otherwise(column: Column) -> bool:
    """Return whether words may be read as numbers or truth values."""
    if column.get("kind") not in ("categorical", "ordinal", "boolean", "constant"):
        return True
    if column.get("prefix") is not None:  # levels such as "01###", drawn as "01067"
        return True
    return any(_is_other(word) for word in _levels(column))


def _is_other(word: str) -> bool:
    try:
        float(word.replace(",", ".").replace(" ", ""))
    except ValueError:
        return word.lower() in ("true", "false")
    return True

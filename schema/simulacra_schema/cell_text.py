"""Cells of a CSV written in the form of the upload (`schema.CellForm`).

Fields of a generated table carry the form as metadata, so Parquet and Arrow files keep types and
whoever writes a CSV, the trainer or the API, applies it. Imported by those who have pyarrow.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import pyarrow as pa

from simulacra_schema.lexicon import calendar_names
from simulacra_schema.table import CellForm

KEY = b"simulacra.form"
"""Field metadata key: a `CellForm` as JSON."""


def with_form(field: pa.Field, form: CellForm | None) -> pa.Field:
    """Return the field with the form of its cells."""
    if form is None:
        return field
    return field.with_metadata({KEY: form.model_dump_json(exclude_defaults=True)})


def form_of(field: pa.Field) -> CellForm | None:
    """Return the form of a field's cells; None for the usual one."""
    content = (field.metadata or {}).get(KEY)
    return None if content is None else CellForm.model_validate_json(content)


def csv_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of the cells as a CSV has them: text where the field has a form."""
    return pa.schema([pa.field(f.name, pa.string()) if form_of(f) else f for f in schema])


def csv_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with the cells as a CSV has them."""
    columns = [
        column if form is None else write_cells(column, form)
        for column, form in zip(batch.columns, map(form_of, batch.schema), strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=csv_schema(batch.schema))


def write_cells(values: pa.Array, form: CellForm) -> pa.Array:
    """Return numbers, dates, times or durations as text; null stays null."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if form.text_format is None:
        return _each(values, lambda value: _number(value, form))
    if pa.types.is_integer(kind) or pa.types.is_duration(kind) or pa.types.is_time(kind):
        if pa.types.is_time(kind):
            values = values.cast(pa.time32("s")).cast(pa.int32())
        elif pa.types.is_duration(kind):
            values = values.cast(pa.duration("s"))
        pattern = form.text_format
        return _each(values.cast(pa.int64()), lambda value: _clock(value, pattern))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        values = values.cast(pa.timestamp("s", getattr(kind, "tz", None)), safe=False)
    return _each(values, lambda moment: _moment(moment, form))


def _each(values: pa.Array, write: Callable[..., str]) -> pa.Array:
    encoded = values.dictionary_encode()
    texts = [None if value is None else write(value) for value in encoded.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(encoded.indices)


def _number(value: float, form: CellForm) -> str:
    scaled = Decimal(repr(value)) / Decimal(repr(form.factor)) if form.factor != 1 else value
    if form.decimals is not None:
        digits = f"{abs(scaled):,.{form.decimals}f}"
    elif isinstance(scaled, Decimal):
        digits = f"{abs(scaled).normalize():,f}"
    else:
        digits = f"{abs(scaled):,}"
    whole, point, part = digits.partition(".")
    if not form.decimals and part == "0":
        point = part = ""
    text = whole.replace(",", form.group) + (form.decimal if point else "") + part
    is_negative = value < 0 and any(c in "123456789" for c in text)
    if not is_negative:
        return f"{form.before}{text}{form.after}"
    if form.negative == "inner":
        return f"{form.before}-{text}{form.after}"
    if form.negative == "after":
        return f"{form.before}{text}-{form.after}"
    cell = f"{form.before}{text}{form.after}"
    return f"({cell})" if form.negative == "brackets" else f"-{cell}"


def _moment(moment: datetime, form: CellForm) -> str:
    pattern = form.text_format or ""
    if form.language:
        for sign, length in (("%B", "long"), ("%b", "short")):
            names = calendar_names("months", form.language, length)
            pattern = pattern.replace(sign, names[moment.month - 1])
        for sign, length in (("%A", "long"), ("%a", "short")):
            names = calendar_names("weekdays", form.language, length)
            pattern = pattern.replace(sign, names[moment.weekday()])
    numbers = {"%-d": moment.day, "%-m": moment.month}
    if "%-H" in pattern or "%-I" in pattern:
        numbers |= {"%-H": moment.hour, "%-I": (moment.hour - 1) % 12 + 1}
    for sign, number in numbers.items():
        pattern = pattern.replace(sign, str(number))
    return moment.strftime(pattern)


def _clock(seconds: int, pattern: str) -> str:
    """Write seconds by a pattern: %h %H hours, %l %I of 12, %m %M minutes, %S seconds, %p %P."""
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    parts = {"%h": f"{hours}", "%H": f"{hours:02d}"}
    parts |= {"%l": f"{(hours - 1) % 12 + 1}", "%I": f"{(hours - 1) % 12 + 1:02d}"}
    parts |= {"%p": "PM" if hours >= 12 else "AM", "%P": "pm" if hours >= 12 else "am"}
    parts |= {"%m": f"{minutes}", "%M": f"{minutes:02d}", "%S": f"{rest:02d}"}
    for sign, text in parts.items():
        pattern = pattern.replace(sign, text)
    return pattern

"""The completed description: every column with all that was decided, who said it, and why."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from simulacra_intake.description.finish import listed_relations
from simulacra_intake.description.order import evidence_of
from simulacra_intake.description.statements import Statement, Statements
from simulacra_schema.description import MAX_DESCRIPTION_BYTES, SCHEMA_URL, UNNAMED, Description
from simulacra_schema.description_parts import (
    EXTENSION,
    EXTENSION_PROPERTIES,
    MAX_GROUPS,
    FieldDescription,
    TableExtension,
    mark,
)
from simulacra_schema.formats.file_labels import AnswerSet
from simulacra_schema.rules import Rule
from simulacra_schema.table import ColumnSchema, TableSchema

Object = dict[str, Any]
ROLES = {"key": "key", "subject": "subject", "foreign_key": "foreign_key", "personal_data": "pii"}
FORMATS = {"email": "email", "url": "uri"}
NUMBER_TYPES = ("int", "uint", "double", "float")
_PATTERN = re.compile(r"(?:%[YmdybBHMSIp]|[^%])+")
_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_ONE_CODE = re.compile(r"(-?[\d.]+)(?: \(.*\))?")
MAX_EVIDENCE = 1_000
MAX_RULES_BROKEN = 60
MAX_CATEGORIES, MAX_LENGTH, MAX_MISSING = 500, 512, 100
"""Found categories that are listed at most, characters of a text, missing values."""


def complete(
    schema: TableSchema,
    names: list[str],
    layout: Object,
    description: Description,
    statements: Statements,
    proposals: Sequence[Rule] = (),
) -> Object:
    """Return the description of a table as it was read.

    names: of all columns that were read, also those that the description drops; layout: `encoding`
    and `dialect` of a CSV, with who said them in `source`.
    """
    notes = _notes(schema)
    fields = [_field(name, schema.find(name), statements.of(name), notes) for name in names]
    keys = [one for one in fields if one.get(EXTENSION, {}).get("role") == "key"]
    extension: Object = {"version": 1}
    source = dict(layout.get("source", {}))
    table: Object = {"$schema": SCHEMA_URL, "fieldsMatch": "subset"}
    if keys:
        table["primaryKey"] = [keys[0]["name"]]
        source["primaryKey"] = keys[0][EXTENSION]["source"]["role"]
    lists = {
        "sets": [_group(group) for group in schema.sets if len(group.columns) > 1],
        "grids": [_group(group) for group in schema.grids if len(group.columns) > 1],
        "relations": listed_relations(schema.relations, [one.rule for one in schema.rules]),
        "prices": [one.model_dump(exclude_defaults=True) for one in schema.prices],
    }
    sent = description.extension
    for key, listed in lists.items():
        stated = sent.is_stated(key, getattr(sent, key))
        if listed or stated:
            extension[key] = listed[:MAX_GROUPS]
            source[key] = "user" if stated else "detected"
    extension |= _rules(schema, sent, proposals)
    if sent.rules:
        source["rules"] = "user"
    if sent.banner:
        extension["banner"] = sent.banner
        source["banner"] = "user"
    if sent.design is not None:
        extension["design"] = sent.design.model_dump(by_alias=True, exclude_defaults=True)
    if sent.targets is not None:
        extension["targets"] = sent.targets.to_wire()
    if schema.order is not None:
        extension["order"] = schema.order
        stated = sent.is_stated("order", sent.order)
        source["order"] = "user" if stated else "detected"
        if not stated and (evidence := evidence_of(schema)):
            extension.setdefault("evidence", {})["order"] = evidence
    if source:
        values = {**layout.get("dialect", {}), "encoding": layout.get("encoding"), **table}
        extension["source"] = source
        parsed = TableExtension.model_validate(extension)
        values |= {key: getattr(parsed, key) for key in (*lists, "order")}
        extension["found"] = {n: mark(values[n]) for n in source if source[n] != "user"}
    document: Object = {
        "name": description.name or UNNAMED,
        "path": description.path or "table",
        "type": "table",
        **{key: layout[key] for key in ("encoding", "dialect") if key in layout},
        "schema": {**table, "fields": fields, EXTENSION: extension},
    }
    return document if _size(document) <= MAX_DESCRIPTION_BYTES else _shortened(document)


def _rules(schema: TableSchema, sent: TableExtension, proposals: Sequence[Rule]) -> Object:
    """Return the stated rules, the rows of the upload that break them, and proposed ones."""
    found: Object = {}
    if sent.rules:
        found["rules"] = [rule.described() for rule in sent.rules]
        broken = [
            (f"rules/{place}", f"about {one.violations} rows of the upload break it")
            for place, one in enumerate(schema.rules)
            if one.violations
        ]
        if broken:
            found["evidence"] = dict(broken[:MAX_RULES_BROKEN])
    if proposals:
        found["proposals"] = [one.described() for one in proposals]
    return found


def _group(group: AnswerSet) -> Object:
    found: Object = {"name": group.name[:256] or "set", "fields": group.columns}
    if group.kind != "grid":
        found["type"] = "dichotomy" if group.kind == "dichotomies" else "category"
        if group.counted is not None:
            found["counted"] = group.counted
    return found


def _size(document: Object) -> int:
    return len(json.dumps(document, ensure_ascii=False).encode())


def _shortened(document: Object) -> Object:
    """Leave out evidence and found categories of a document that could not be sent back."""
    for field in document["schema"]["fields"]:
        extension = field[EXTENSION]
        extension.pop("evidence", None)
        if extension["source"].get("categories", "user") != "user":
            del field["categories"], extension["source"]["categories"]
            del extension["found"]["categories"]
    return document


def _notes(schema: TableSchema) -> dict[str, str]:
    """Return what cleaning noted about each column, in one line."""
    found: dict[str, list[str]] = {}
    for note in schema.cleaning:
        if note.column is not None:
            found.setdefault(note.column, []).append(note.action)
    return {name: "; ".join(actions)[:MAX_EVIDENCE] for name, actions in found.items()}


def _field(
    name: str, column: ColumnSchema | None, statement: Statement | None, notes: dict[str, str]
) -> Object:
    """Return one field; its extension says of each property who said it."""
    found = {} if column is None else dict(_found(column))
    filed = set() if column is None else _from_file(column)
    stated = {} if statement is None else _stated(statement)
    values = {**found, **stated}
    source = {
        key: "user" if key in stated else "file" if key in filed else "detected" for key in values
    }
    evidence: dict[str, str] = {}
    if column is not None and column.evidence and source.get("role") == "detected":
        evidence["role"] = "; ".join(column.evidence)[:MAX_EVIDENCE]
    if name in notes and source.get("type") == "detected":
        evidence["type"] = notes[name]
    extension = {key: values[key] for key in EXTENSION_PROPERTIES if key in values}
    extension["source"] = source
    marks = _marks({"name": name, **values}, source)
    if marks:
        extension["found"] = marks
    if evidence:
        extension["evidence"] = evidence
    plain = {key: value for key, value in values.items() if key not in EXTENSION_PROPERTIES}
    return {"name": name, **plain, EXTENSION: extension}


def _marks(values: Object, source: dict[str, str]) -> dict[str, str]:
    """Return the marks of the properties that are not the user's, as they will be parsed."""
    inside = {key: values[key] for key in EXTENSION_PROPERTIES if key in values}
    parsed = FieldDescription.model_validate({**values, EXTENSION: inside})
    return {name: mark(parsed.value(name)) for name in source if source[name] != "user"}


def _stated(statement: Statement) -> Object:
    """Return the user's own properties as they are written."""
    field = statement.field
    result: Object = {}
    for name in field.properties():
        value = field.value(name)
        is_list = name in ("categories", "missingValues")
        result[name] = _values(value) if is_list else value
    return result


def _values(values: list[Any]) -> list[Any]:
    if any(one.label for one in values):
        return [{"value": one.value, "label": one.label or one.value} for one in values]
    return [one.value for one in values]


def _found(column: ColumnSchema) -> Iterator[tuple[str, Any]]:
    """Yield the properties that reading and cleaning decided."""
    kind = column.kind
    if column.label:
        yield "title", column.label[:MAX_LENGTH]
    if kind in ("categorical", "ordinal", "boolean"):
        yield from _levels(column)
    elif kind in ("integer", "numeric", "weight"):
        yield from _numbers(column)
    elif kind == "multi":
        yield "type", "list"
        yield "delimiter", (column.separator or ",").strip() or " "
        yield "options", column.level_values()
    elif kind == "datetime":
        yield from _moments(column)
    elif kind == "identifier":
        is_number = column.storage.startswith(NUMBER_TYPES)
        yield "type", "integer" if is_number else "string"
    else:
        yield "type", "any" if kind == "constant" else "string"
    if column.personal_data in FORMATS:
        yield "format", FORMATS[column.personal_data]
    if missing := _missing(column):
        yield "missingValues", ["", *missing]
    yield from _role(column)


def _levels(column: ColumnSchema) -> Iterator[tuple[str, Any]]:
    values = [level.value for level in column.levels if not level.special]
    whole = column.storage.startswith(NUMBER_TYPES) and all(map(_WHOLE.fullmatch, values))
    if column.storage == "bool":
        yield "type", "boolean"
        return
    yield "type", "integer" if whole else "string"
    if column.prefix is not None:
        yield "kind", "postcode"
        return
    labels = {level.value: level.label for level in column.levels if level.label}
    listed: list[Any] = [int(value) for value in values] if whole else values
    if labels:
        listed = [
            {"value": one, "label": labels.get(value, value)}
            for one, value in zip(listed, values, strict=True)
        ]
    if len(listed) <= MAX_CATEGORIES and max(map(len, values)) <= MAX_LENGTH:
        yield "categories", listed
    if column.kind == "ordinal":
        yield "categoriesOrdered", True
    if column.kind == "boolean":
        yield "kind", "boolean"


def _numbers(column: ColumnSchema) -> Iterator[tuple[str, Any]]:
    if column.storage.startswith("time"):
        yield "type", "time"
        yield "format", "any"
        return
    if column.storage.startswith("duration"):
        yield "type", "string"
        yield "kind", "duration"
        return
    yield "type", "integer" if column.kind == "integer" else "number"
    form = column.form
    if form is not None:
        if form.decimal != ".":
            yield "decimalChar", form.decimal
        if form.group:
            yield "groupChar", form.group
        if form.before.strip() or form.after.strip():
            yield "bareNumber", False
    if column.unit:
        yield "unit", column.unit[:32]


def _moments(column: ColumnSchema) -> Iterator[tuple[str, Any]]:
    form = column.form
    pattern = (form.text_format if form else None) or column.text_format
    timed = "%H" in pattern or "%I" in pattern if pattern else "date" not in column.storage
    yield "type", "datetime" if timed else "date"
    if pattern and pattern != "%Y-%m-%d":
        readable = _PATTERN.fullmatch(pattern) and not (form and form.language)
        yield "format", pattern if readable else "any"


def _role(column: ColumnSchema) -> Iterator[tuple[str, Any]]:
    if column.kind == "weight":
        yield "role", "weight"
    elif column.kind == "text" and column.role is None:
        yield "role", "text"
    elif column.role is not None:
        yield "role", ROLES.get(column.role, column.role)
    elif column.kind == "identifier":
        yield "role", "key"
    if column.personal_data is not None:
        yield "pii", column.personal_data
        yield "replace", "empty" if column.kind == "text" else "fake"


def _missing(column: ColumnSchema) -> list[str]:
    """Return special codes and words, and the single codes that the file declares missing."""
    declared = [match[1] for one in column.missing_codes if (match := _ONE_CODE.fullmatch(one))]
    special = [one.value for one in column.specials]
    special += [level.value for level in column.levels if level.special]
    return list(dict.fromkeys([*special, *declared]))[:MAX_MISSING]


def _from_file(column: ColumnSchema) -> set[str]:
    """Return the properties that the file declares."""
    filed = {"title"}
    if any(level.code is not None or level.label for level in column.levels):
        filed |= {"type", "categories", "categoriesOrdered"}
    if column.storage.startswith("dictionary"):
        filed |= {"categories", "categoriesOrdered"}
    if column.missing_codes:
        filed.add("missingValues")
    return filed

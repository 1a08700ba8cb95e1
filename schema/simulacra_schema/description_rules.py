"""Rules between the properties of a description, and what this release does not honor yet."""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import get_args

from simulacra_schema.description_parts import (
    EXTENSION,
    FieldDescription,
    FieldExtension,
    SurveyDesign,
    TableSchemaPart,
)
from simulacra_schema.table import ReplicateMethod

NUMBER_SIGNS = ("decimalChar", "groupChar", "bareNumber")
NUMBERS = (None, "any", "number", "integer")
WORDS = (None, "any", "string", "boolean", "integer", "number")
MOMENTS = ("date", "datetime", "time")
LATER = "This release cannot honor it yet; leave it out."
ONE_KEY = "Name one column: a key of several columns cannot be honored yet."
NO_TARGETS = "Give the shares: categorical, quotas, or both."
METHODS = ", ".join(get_args(ReplicateMethod))
Path = tuple[str | int, ...]


def check_table(table: TableSchemaPart) -> Iterator[tuple[Path, str]]:
    """Yield faults of the table's properties, each with its path in the Table Schema."""
    names = Counter(field.name for field in table.fields)
    seen: set[str] = set()
    for index, field in enumerate(table.fields):
        if names[field.name] > 1 and field.name in seen:
            yield ("fields", index, "name"), "Another field has this name; describe it once."
        seen.add(field.name)
    if table.primary_key is not None and len(table.primary_key) > 1:
        yield ("primaryKey",), ONE_KEY
    dropped = [one.name for one in table.fields if one.extension.use == "drop"]
    if table.extension.order in dropped:
        yield (EXTENSION, "order"), "This column is dropped; order rows by another one."
    yield from _check_earlier(table)
    yield from _check_replicates(table)
    targets = table.extension.targets
    if targets is not None and not targets.columns():
        yield (EXTENSION, "targets"), NO_TARGETS
    yield from _agree(table, "weights", "weight")
    yield from _agree(table, "subject", "subject")
    yield from _agree(table, None, "cluster")
    yield from _agree(table, None, "wave")


def _check_earlier(table: TableSchemaPart) -> Iterator[tuple[Path, str]]:
    """Yield a fault for each field that is said to be a question that another field is."""
    seen: set[str] = set()
    dropped = {one.name for one in table.fields if one.extension.use == "drop"}
    for index, field in enumerate(table.fields):
        earlier = field.extension.earlier
        if earlier and earlier in seen:
            yield ("fields", index, EXTENSION, "earlier"), "Another field was this question."
        if earlier in dropped:
            yield ("fields", index, EXTENSION, "earlier"), "This column is dropped; keep it."
        seen |= {earlier or ""}


def _check_replicates(table: TableSchemaPart) -> Iterator[tuple[Path, str]]:
    design = table.extension.design or SurveyDesign()
    at = (EXTENSION, "design")
    roles = [one for one in table.fields if one.extension.role == "replicate_weight"]
    if (roles or design.replicate_weights) and design.replicates is None:
        yield at, f'Say how the replicate weights were made: "replicates": one of {METHODS}.'
    if design.fay is not None and design.replicates != "brr":
        yield (*at, "fay"), 'Fay\'s coefficient needs "replicates": "brr".'


def _agree(table: TableSchemaPart, name: str | None, role: str) -> Iterator[tuple[Path, str]]:
    """Yield a fault for each field whose role names another column than the table does."""
    stated = name and getattr(table.extension, name)
    with_role = [
        (index, field.name)
        for index, field in enumerate(table.fields)
        if field.extension.role == role and "role" in field.stated()
    ]
    for place, (index, column) in enumerate(with_role):
        if (stated is not None and column != stated) or place:
            detail = f"Another column is the {role} already; a table has one."
            yield ("fields", index, EXTENSION, "role"), detail


def check_field(field: FieldDescription, stated: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield (property, fault) of a field, of the properties that the user states."""
    own = field.keep(set(stated))
    extension = own.extension
    for name in ("delimiter", "options"):
        if own.value(name) is not None and own.type not in (None, "any", "list"):
            yield name, f"Only lists have it, and the type is {own.type}."
    for name in NUMBER_SIGNS:
        if own.value(name) is not None and own.type not in NUMBERS:
            yield name, f"Only numbers have it, and the type is {own.type}."
    if own.decimal_char is not None and own.decimal_char == own.group_char:
        yield "groupChar", "It must differ from decimalChar."
    if own.categories is not None and (own.type not in WORDS or extension.kind == "duration"):
        yield (
            "categories",
            f"Only words and whole numbers have them, not {own.type or 'durations'}.",
        )
    if own.categories is not None and extension.kind in ("postcode", "coordinate"):
        yield "categories", f"A {extension.kind} has none."
    if own.categories_ordered and extension.kind == "boolean":
        yield "categoriesOrdered", "Yes and no have no order."
    if own.format is not None and own.format not in ("default", "any"):
        yield from _check_format(own)
    if extension.pii is not None and extension.role not in (None, "pii", "subject"):
        yield "pii", f"A column with the role {extension.role} is no personal data."
    if extension.replace is not None and not (extension.pii or extension.role == "pii"):
        yield "replace", 'Only personal data are replaced; state the role "pii".'
    if extension.role == "pii" and extension.pii is None:
        yield "pii", "Say which kind of personal data it is, such as name or email."
    if extension.publish is not None and extension.role not in (None, "none"):
        yield "publish", f"A column with the role {extension.role} is never published."
    if extension.publish is not None and extension.pii is not None:
        yield "publish", "Personal data are never published."
    if extension.earlier and extension.role not in (None, "none"):
        yield "earlier", f"A column with the role {extension.role} is no question."
    if extension.levels is not None:
        yield from _check_levels(extension)
    if extension.unit is not None and own.type not in NUMBERS:
        yield "unit", f"Only numbers have a unit, and the type is {own.type}."
    if extension.role == "cluster" and extension.use == "drop":
        yield "use", "A cluster is not learned and not generated anyway; leave this out."
    if extension.role == "weight" and own.type not in NUMBERS:
        yield "type", "Weights are numbers."


def _check_levels(extension: FieldExtension) -> Iterator[tuple[str, str]]:
    if extension.earlier is False:
        yield "levels", "This is a question of its own, so none of its levels had another name."
    named = Counter(name for names in (extension.levels or {}).values() for name in names)
    twice = [name for name, count in named.items() if count > 1]
    if twice:
        yield "levels", f"The earlier level {twice[0]!r} is named twice; it can become one level."


def _check_format(own: FieldDescription) -> Iterator[tuple[str, str]]:
    if own.type == "string" and own.format in ("email", "uri", "uuid"):
        return
    if own.type not in MOMENTS:
        yield "format", f"Use default: {own.type or 'a column without a type'} has no other format."
    elif own.type == "time":
        yield "format", "Use default or any: the form of times of day is found in the cells."
    elif "%" not in (own.format or ""):
        yield "format", "Use default, any, or a pattern such as %d.%m.%Y."

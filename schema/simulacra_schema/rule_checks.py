"""Rules in the names and levels of a schema, and what the schema says against them."""

from collections.abc import Iterator

from simulacra_schema.conditions import level_in
from simulacra_schema.did_you_mean import closest, unknown_level
from simulacra_schema.rules import Rule, RulePart
from simulacra_schema.several_answers import own_part
from simulacra_schema.table import TableSchema

Path = tuple[str | int, ...]
NUMBERS = ("integer", "numeric")
KEY = (None, "key")
_SEVERAL = "The column holds several answers; name one of its options."
_ONE_KIND = "Compare two numbers, or two dates."
KEYS = {"if_": "if"}
"""Names in the document of fields that Python cannot call so."""


def in_schema(rule: Rule, schema: TableSchema) -> Rule:
    """Return a checked rule on the schema's own levels; an option is "yes" of its column."""
    update: dict[str, object] = {"text": None}
    for name in ("if_", "then", "forbidden"):
        if (cell := getattr(rule, name)) is not None:
            update[name] = dict(own_part(column, part, schema) for column, part in cell.items())
    if rule.combinations is not None:
        known = [schema.column(name).level_values() for name in rule.allowed or ()]
        update["combinations"] = [
            [level_in(word, of) or word for word, of in zip(one, known, strict=True)]
            for one in rule.combinations
        ]
    return rule.model_copy(update=update)


def rule_faults(rule: Rule, schema: TableSchema) -> Iterator[tuple[Path, str]]:
    """Yield what the schema says against a rule, each with its path in the rule."""
    unknown = {}
    for name in rule.columns():
        column = schema.find(name)
        if column is None:
            unknown[name] = f"The table has no such column.{closest(name, schema.names())}"
        elif rule.unique is not None and column.kind == "identifier" and column.role in KEY:
            continue
        elif not column.learned:
            unknown[name] = f"The column is {column.kind} and not learned; name another."
    if unknown:
        for name, detail in unknown.items():
            yield (rule.form,), f"{name}: {detail}"
        return
    for key in ("if_", "then", "forbidden"):
        for name, part in (getattr(rule, key) or {}).items():
            if wrong := _wrong_part(name, part, schema):
                yield (KEYS.get(key, key), name), wrong
    yield from _wrong_numbers(rule, schema)
    for place, one in enumerate(rule.combinations or ()):
        for name, word in zip(rule.allowed or (), one, strict=True):
            known = schema.column(name).level_values()
            if level_in(word, known) is None:
                yield ("combinations", place), f"{name}: {unknown_level(word, known)}"
                return
    if rule.allowed is not None:
        for name in rule.allowed:
            if not schema.column(name).level_values():
                yield ("allowed",), f"{name}: the column has no levels; use if and then."
    several = rule.unique or ()
    if any(schema.column(name).kind == "multi" for name in several):
        yield ("unique",), _SEVERAL


def _wrong_numbers(rule: Rule, schema: TableSchema) -> Iterator[tuple[Path, str]]:
    if rule.compare is not None:
        kinds = [schema.column(name).kind for name in (rule.compare[0], rule.compare[2])]
        if not (all(one in NUMBERS for one in kinds) or set(kinds) == {"datetime"}):
            yield ("compare",), _ONE_KIND
    total = [rule.equals] if isinstance(rule.equals, str) else []
    summed = [*(rule.sum or ()), *total, *([rule.multiple] if rule.multiple else [])]
    for name in summed:
        if schema.column(name).kind not in NUMBERS:
            yield (rule.form,), f"{name}: the column has no numbers."


def _wrong_part(name: str, part: RulePart, schema: TableSchema) -> str | None:
    """Return what is wrong with a part of a cell, None if it is valid."""
    column = schema.column(name)
    if column.kind == "multi" and (part.levels is None or len(part.levels) > 1):
        return _SEVERAL
    if part.levels is not None:
        known = column.level_values()
        if not known:
            return "The column has no levels; give a range."
        unknown = [one for one in part.levels if level_in(one, known) is None]
        return unknown_level(unknown[0], known) if unknown else None
    if part.has_dates and column.kind != "datetime":
        return "The column has no dates; give min and max, or levels."
    if part.has_numbers and column.kind not in NUMBERS:
        if column.kind == "datetime":
            return "The column has dates; give earliest, latest or both."
        return f"The column is {column.kind}; give levels."
    return None

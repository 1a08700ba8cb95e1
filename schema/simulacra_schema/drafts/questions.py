"""Questions of a description as a draft asks them: their kinds, values, ranges and skips."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from simulacra_schema.conditions import ConditionSet, check_conditions
from simulacra_schema.description import Description, DescriptionInvalid, parse_description
from simulacra_schema.description_parts import EXTENSION, FieldDescription
from simulacra_schema.did_you_mean import NO_LEVEL
from simulacra_schema.drafts.rules import not_in_drafts
from simulacra_schema.faults import Fault, FieldError, path_of
from simulacra_schema.quota_checks import check_quotas
from simulacra_schema.quotas import Quota
from simulacra_schema.rule_checks import rule_faults
from simulacra_schema.rules import Rule
from simulacra_schema.table import ColumnKind, ColumnSchema, LevelSchema, TableSchema

NO_ANSWER = 0.02
"""Share of each missing code, where no share is stated."""
MAX_DECIMALS = 6
DAY, MINUTE = 86_400_000_000, 60_000_000
"""In microseconds."""
Path = tuple[str | int, ...]

_LATER = ("duration", "period", "postcode", "coordinate")
MAX_MONTHS = 200
_NUMBERS = ("integer", "number", "year")
_MOMENTS = ("date", "datetime")
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NO_LEVELS = (
    'A draft needs the levels of "{name}": add "categories": ["yes", "no"]; for open answers '
    '"x-simulacra": {{"role": "text"}}, for numbers "type": "integer" and a range.'
)
_NO_OPTIONS = (
    'A draft needs the options of "{name}": add "x-simulacra": {{"options": ["TV", "radio"]}}.'
)
_NO_RANGE = (
    'A draft needs the range of "{name}": add "constraints": {{"minimum": 18, "maximum": 99}}.'
)
_NO_DATES = (
    'A draft needs the range of "{name}": add "constraints": {{"minimum": "2026-01-01", '
    '"maximum": "2026-12-31"}}, dates in ISO 8601.'
)
_NO_TIMES = (
    'A draft needs the range of "{name}": add "constraints": {{"minimum": "08:00", '
    '"maximum": "20:00"}}, in whole minutes.'
)
_NO_MONTHS = (
    'A draft needs the range of "{name}": add "constraints": {{"minimum": "2026-01", '
    f'"maximum": "2026-12"}}}}, {MAX_MONTHS} months at most.'
)
_NO_KIND = (
    'A draft cannot draw "{name}", a {kind}. Give it categories, or leave it out with '
    '"x-simulacra": {{"use": "drop"}}.'
)
_LATE = 'A question is skipped by earlier ones: put "{}" before this field.'
_TAKEN = 'Drafts have a column "{name}" to say what they are; call this one otherwise.'
_WORDS = {
    NO_LEVEL: "The description has no such level.",
    "The schema has no such column.": "The description has no such field.",
    "The table has no such column.": "The description has no such field.",
    " See the dataset's schema for its columns.": "",
    " See the dataset's schema for its levels.": "",
    "outside of the data": "outside of the description's",
}
"""Words of a dataset's schema, and those of a description."""
DRAFT = "draft"
"""Name of the column that marks a draft in every format."""


@dataclass(frozen=True)
class DraftQuestion:
    """A field of the description, as a draft draws it.

    Attributes:
        column: the same as a column of a schema, with levels or ends of a range.
        step: distance of two numbers, in their unit; of moments in microseconds.
        codes: missing codes, with their labels.
    """

    field: FieldDescription
    column: ColumnSchema
    step: float = 1
    codes: Mapping[str, str | None] | None = None


@dataclass(frozen=True)
class Questionnaire:
    """What a draft is drawn from.

    Attributes:
        questions: in the order of the description, without dropped ones.
        asked_if: by column, the cell of earlier answers after which it is asked.
    """

    description: Description
    questions: list[DraftQuestion]
    schema: TableSchema
    asked_if: Mapping[str, Quota]


def questionnaire_of(document: Any) -> Questionnaire:
    """Return what a draft is drawn from.

    Raises:
        DescriptionInvalid: it is no description, or lacks what a draft needs; all faults at once.
    """
    description = parse_description(document)
    sent: Any = document
    for step in description.prefix:
        sent = sent[step]
    questions: list[DraftQuestion] = []
    faults: list[tuple[Path, str]] = []
    for at, field in enumerate(description.fields):
        if field.extension.use == "drop" or field.extension.replace == "drop":
            continue
        found = _question(field, _constraints(sent["fields"][at]), description)
        if isinstance(found, str):
            faults.append((("fields", at), found.format(name=field.name)))
        else:
            questions.append(found)
    schema = TableSchema(rows=0, columns=[one.column for one in questions])
    asked_if: dict[str, Quota] = {}
    for at, field in enumerate(description.fields):
        if field.extension.asked_if and schema.find(field.name) and not faults:
            faults += _check_asked_if(at, field, description, schema)
            asked_if[field.name] = Quota(where=field.extension.asked_if, min=0)
    if not faults:
        faults += _rule_faults(description, schema)
    if not description.fields:
        faults.append((("fields",), "A draft needs the fields of the questionnaire."))
    if faults:
        raise DescriptionInvalid(
            [FieldError(pointer=description.pointer(*at), detail=d) for at, d in faults]
        )
    return Questionnaire(description, questions, schema, asked_if)


def condition_faults(conditions: ConditionSet, schema: TableSchema) -> Iterator[Fault]:
    """Yield what a description's schema says against conditions, in the words of a description."""
    for fault in (*check_conditions(conditions, schema), *check_quotas(conditions, schema)):
        yield fault.model_copy(update={"detail": _said(fault.detail)})


def _said(detail: str) -> str:
    for word, own in _WORDS.items():
        detail = detail.replace(word, own)
    return detail


def kept_rules(description: Description) -> Iterator[tuple[Path, Rule]]:
    """Yield the rules of a draft with their paths: stated ones, then found orders."""
    for at, rule in enumerate(description.extension.rules or ()):
        yield (EXTENSION, "rules", at), rule
    for at, one in enumerate(description.extension.relations or ()):
        if one.kind == "not_above" and one.column not in one.of:
            order = Rule(compare=(one.column, "<=", one.of[0]))
            yield (EXTENSION, "relations", at), order


def _rule_faults(description: Description, schema: TableSchema) -> Iterator[tuple[Path, str]]:
    """Yield what the schema says against rules, and those that a draft cannot keep."""
    for path, rule in kept_rules(description):
        found = [*rule_faults(rule, schema)]
        yield from (((*path, *at), _said(detail)) for at, detail in found)
        columns = [one for name in rule.columns() if (one := schema.find(name))]
        if not found and (detail := not_in_drafts(rule, columns)):
            yield path, f"{rule.words()}: {detail}"


def _constraints(sent: Mapping[str, Any]) -> Mapping[str, Any]:
    found = sent.get("constraints")
    return found if isinstance(found, dict) else {}


def _check_asked_if(
    at: int, field: FieldDescription, description: Description, schema: TableSchema
) -> Iterator[tuple[Path, str]]:
    path = ("fields", at, EXTENSION, "askedIf")
    where = field.extension.asked_if or {}
    wanted = ConditionSet(quotas=[Quota(where=where, min=0)])
    for fault in condition_faults(wanted, schema):
        # behind /conditions/quotas/0/where
        yield (*path, *path_of(fault.pointer)[4:]), fault.detail
    later = {one.name for one in description.fields[at:]}
    for name in where:
        if name in later or any(name.startswith(f"{one}: ") for one in later):
            yield (*path, name), _LATE.format(name)


def _question(
    field: FieldDescription, constraints: Mapping[str, Any], description: Description
) -> DraftQuestion | str:
    """Return a field as a draft draws it, or what it lacks."""
    if field.name == DRAFT:
        return _TAKEN
    role, kind = _role(field, description), field.extension.kind
    stated = field.missing_values or description.table.missing_values or []
    codes = {one.value: one.label for one in stated if one.value}
    codes |= dict.fromkeys(field.extension.missing or description.extension.missing or ())
    if role in ("weight", "replicate_weight"):
        return DraftQuestion(field, _column(field, "weight", role if "_" in role else None))
    if role in ("key", "subject", "foreign_key", "cluster"):
        return DraftQuestion(field, _column(field, "identifier", role))
    if role == "pii" or field.extension.pii:
        return DraftQuestion(field, _column(field, "identifier", "personal_data"))
    if role == "text":
        return DraftQuestion(field, _column(field, "text"))
    levels = [one.value for one in field.categories or ()]
    if field.type == "list":
        options = field.extension.options or levels
        column = _column(field, "multi", levels=options)
        return DraftQuestion(field, column, codes=codes) if options else _NO_OPTIONS
    if not levels and (field.type == "boolean" or kind == "boolean"):
        levels = ["true", "false"]
    ends = constraints.get("minimum"), constraints.get("maximum")
    is_month = field.type == "yearmonth"
    if not levels and is_month and not (levels := _months(ends)):
        return _NO_MONTHS
    if levels:
        codes = {code: word for code, word in codes.items() if code not in levels}
        column = _column(
            field, "ordinal" if field.categories_ordered or is_month else "categorical"
        )
        shares = [LevelSchema(value=one, share=1 / len(levels)) for one in levels]
        special = [LevelSchema(value=one, share=NO_ANSWER, special=True) for one in codes]
        column = column.model_copy(update={"levels": [*shares, *special]})
        return DraftQuestion(field, column, codes=codes)
    late = next((one for one in (kind, field.type) if one in _LATER), None)
    if late is not None:
        return _NO_KIND.replace("{kind}", late)
    if field.type in _MOMENTS:
        return _moments(field, ends)
    if field.type == "time":
        return _times(field, ends)
    if field.type in _NUMBERS or None not in ends:
        return _numbers(field, ends, codes)
    return _NO_LEVELS


def _role(field: FieldDescription, description: Description) -> str:
    table = description.extension
    pattern = table.design and table.design.replicate_weights
    named = {
        "key": description.table.primary_key or (),
        "subject": (table.subject,),
        "weight": (table.weights,),
        "replicate_weight": (field.name,) if pattern and fnmatchcase(field.name, pattern) else (),
    }
    stated = next((role for role, names in named.items() if field.name in names), "none")
    return field.extension.role or stated


def _column(
    field: FieldDescription, kind: ColumnKind, role: Any = None, levels: list[str] | None = None
) -> ColumnSchema:
    is_learned = kind not in ("identifier", "weight", "text")
    options = [LevelSchema(value=one, share=0.5) for one in levels or ()]
    # A skipped question is missing in some rows, so shares of all its levels may sum below 1.
    missing = 0.5 if field.extension.asked_if else 0.0
    return ColumnSchema(
        name=field.name, kind=kind, learned=is_learned, storage="string", role=role,
        levels=options, missing_share=missing, label=field.title
    )  # fmt: skip


def _numbers(
    field: FieldDescription, ends: tuple[Any, Any], codes: Mapping[str, str | None]
) -> DraftQuestion | str:
    try:
        low, high = (Decimal(str(end)) for end in ends)
        if not (low <= high and abs(low) < 10**15 and abs(high) < 10**15):
            return _NO_RANGE
    except (ArithmeticError, ValueError):
        return _NO_RANGE
    is_whole = field.type in ("integer", "year")
    decimals = 0 if is_whole else max(2, *(-int(one.as_tuple().exponent) for one in (low, high)))
    decimals = min(decimals, MAX_DECIMALS)
    column = _column(field, "integer" if is_whole else "numeric").model_copy(
        update={"minimum": float(low), "maximum": float(high), "decimals": decimals}
    )
    return DraftQuestion(field, column, step=10**-decimals, codes=codes)


def _moments(field: FieldDescription, ends: tuple[Any, Any]) -> DraftQuestion | str:
    try:
        found = [datetime.fromisoformat(str(end)) for end in ends]
        low, high = (one.replace(tzinfo=UTC).timestamp() for one in found)
    except (ValueError, OverflowError):
        return _NO_DATES
    if low > high:
        return _NO_DATES
    column = _column(field, "datetime").model_copy(update={"minimum": low, "maximum": high})
    return DraftQuestion(field, column, step=DAY if field.type == "date" else MINUTE)


def _times(field: FieldDescription, ends: tuple[Any, Any]) -> DraftQuestion | str:
    """Return a time of day, in minutes since midnight, as an upload has it."""
    try:
        found = [time.fromisoformat(str(end)) for end in ends]
    except ValueError:
        return _NO_TIMES
    low, high = (60 * one.hour + one.minute for one in found)
    if low > high or any(one.second or one.microsecond or one.tzinfo for one in found):
        return _NO_TIMES
    column = _column(field, "integer").model_copy(update={"minimum": low, "maximum": high})
    return DraftQuestion(field, column)


def _months(ends: tuple[Any, Any]) -> list[str]:
    """Return the months of a range as levels; none if it is not one."""
    try:
        found = [datetime.strptime(str(end), "%Y-%m") for end in ends]
    except ValueError:
        return []
    first, last = (12 * one.year + one.month - 1 for one in found)
    months = range(first, min(last + 1, first + MAX_MONTHS + 1))
    listed = [f"{month // 12:04}-{month % 12 + 1:02}" for month in months]
    return listed if len(listed) <= MAX_MONTHS else []


def is_whole(word: str) -> bool:
    """Return whether a level is a whole number as programs write it."""
    return _WHOLE.fullmatch(word) is not None

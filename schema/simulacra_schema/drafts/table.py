"""A draft: random answers to a questionnaire as an Arrow table, marked as one in every format."""

import math
import random
from fractions import Fraction
from typing import Any

import pyarrow as pa

from simulacra_schema.cell_text import with_form
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.drafts.domain import Domain, DraftRefused, domain_of
from simulacra_schema.drafts.questions import (
    DRAFT,
    NO_ANSWER,
    DraftQuestion,
    Questionnaire,
    condition_faults,
    is_whole,
    kept_rules,
    questionnaire_of,
)
from simulacra_schema.drafts.rules import DraftRule, Value, draft_rule
from simulacra_schema.drafts.search import Search
from simulacra_schema.faults import Wrong
from simulacra_schema.formats.csv_dialect import with_dialect
from simulacra_schema.formats.file_labels import Code, Declared
from simulacra_schema.impossible import impossible
from simulacra_schema.quota_checks import Cell, cells_of
from simulacra_schema.rule_checks import in_schema
from simulacra_schema.rules import StatedRule
from simulacra_schema.several_answers import expand_conditions
from simulacra_schema.table import YES, CellForm, CsvDialect, part_name

MAX_ROWS = 10_000
MAX_CELLS = 2_000_000
"""Rows times columns."""
MAX_CHECKS = 500_000
"""Rows times quotas; a rule counts as RULE of them."""
RULE = 10
MARK = "no respondent's data"
"""What the column `draft` says in each row."""
LABEL = "Draft: made from a description, no respondent's data"
KEY = b"simulacra.draft"
"""Schema metadata key of a draft: LABEL."""
CLUSTER = 10
"""Rows of a sampling point."""


def draft_table(
    document: Any, rows: int, conditions: ConditionSet | None = None, seed: int = 0
) -> pa.Table:
    """Return rows that answer a questionnaire at random: its columns, and `draft` as the last one.

    Args:
        document: the description (Data Package v2) with all fields, as decoded JSON.
        rows: up to MAX_ROWS.
        conditions: stated shares, ranges and quotas; shares are met to the row.
        seed: of the random numbers; the same one gives the same rows.

    Raises:
        DescriptionInvalid: the description is not valid, or lacks what a draft needs.
        DraftRefused: too many rows, or conditions or rules that are wrong or cannot be met.
    """
    asked = questionnaire_of(document)
    wanted = conditions or ConditionSet()
    rules = [rule for _, rule in kept_rules(asked.description)]
    columns, quotas = len(asked.schema.learned()), len(wanted.quotas) + RULE * len(rules)
    most = min(MAX_ROWS, MAX_CELLS // max(columns, 1), MAX_CHECKS // max(quotas, 1))
    if not 1 <= rows <= most:
        detail = f"A draft of these columns, quotas and rules has 1 to {most:,} rows."
        raise DraftRefused([Wrong("too many rows", detail).at("row_count")])
    answers = draw(asked, wanted, rows, seed)
    stated = {*wanted.columns(), *(name for rule in rules for name in rule.columns())}
    arrays, fields = [], []
    for question in asked.questions:
        rng = random.Random(f"{seed} codes {question.column.name}")
        is_free = question.column.name not in stated
        array = _array(question, answers, rows, rng if is_free else None)
        field = pa.field(question.column.name, array.type)
        arrays.append(array)
        fields.append(_declared(question, field, array))
    arrays.append(pa.array([MARK] * rows, pa.string()))
    mark = pa.field(DRAFT, pa.string())
    fields.append(Declared(label=LABEL, width=len(MARK)).on(mark))
    schema = pa.schema(fields, {KEY: LABEL.encode()})
    return pa.Table.from_arrays(arrays, schema=with_dialect(schema, _dialect(asked)))


def _array(
    question: DraftQuestion, answers: dict[str, list[Value]], rows: int, rng: random.Random | None
) -> pa.Array:
    """Return a column; rng: None if shares or rules name it: no missing codes are added."""
    column, field = question.column, question.field
    if not column.learned:
        return _not_learned(question, rows)
    if column.kind == "multi":
        options = [one.value for one in column.levels]
        chosen = [answers[part_name(column.name, option)] for option in options]
        joined = [
            _joined(row, options, field.delimiter or ";") for row in zip(*chosen, strict=True)
        ]
        return pa.array(joined, pa.string())
    found = answers[column.name]
    if column.kind == "datetime":
        moments = pa.array(found, pa.float64()).cast(pa.int64()).view(pa.timestamp("us"))
        return moments.cast(pa.date32() if field.type == "date" else pa.timestamp("s"))
    if column.is_numeric:
        codes = [float(code) for code in question.codes or () if is_whole(code)]
        numbers = [_or_code(one, codes, rng) for one in found]
        if field.type == "time":
            seconds = [None if one is None else 60 * int(one) for one in numbers]
            return pa.array(seconds, pa.int32()).cast(pa.time32("s"))
        if column.kind == "numeric":
            return pa.array(numbers, pa.float64())
        return pa.array([None if one is None else int(one) for one in numbers], pa.int64())
    if question.field.type != "string" and all(map(is_whole, question.column.level_values())):
        return pa.array([None if one is None else int(one) for one in found], pa.int64())
    if set(column.level_values()) == {"true", "false"}:
        return pa.array([None if one is None else one == "true" for one in found], pa.bool_())
    return pa.array(found, pa.string())


def _joined(row: tuple[Value, ...], options: list[str], delimiter: str) -> str | None:
    chosen = [option for option, value in zip(options, row, strict=True) if value == YES]
    return delimiter.join(chosen) if chosen else None


def _or_code(number: Any, codes: list[float], rng: random.Random | None) -> float | None:
    """Return the number, or in its place now and then a code that means no answer."""
    if number is None or rng is None or rng.random() >= NO_ANSWER * len(codes):
        return number  # type: ignore[no-any-return]
    return rng.choice(codes)


def _not_learned(question: DraftQuestion, rows: int) -> pa.Array:
    column, field = question.column, question.field
    if column.kind == "weight":
        return pa.array([1.0] * rows, pa.float64())
    if column.kind == "text" or field.extension.replace == "empty":
        return pa.nulls(rows, pa.string())
    if column.role == "personal_data":
        kind = field.extension.pii or "personal data"
        return pa.array([f"{kind.replace('_', ' ')} {one + 1}" for one in range(rows)])
    size = CLUSTER if column.role == "cluster" else 1
    numbers = [one // size + 1 for one in range(rows)]
    return pa.array(map(str, numbers)) if field.type == "string" else pa.array(numbers, pa.int64())


def _declared(question: DraftQuestion, field: pa.Field, array: pa.Array) -> pa.Field:
    """Return the field with the labels, missing codes and form that the description states."""
    own, column = question.field, question.column
    if pa.types.is_date(field.type) or pa.types.is_timestamp(field.type):
        pattern = own.format if own.format and "%" in own.format else None
        field = with_form(field, CellForm(text_format=pattern) if pattern else None)
    elif pa.types.is_floating(field.type) and (own.decimal_char == "," or own.group_char):
        decimal, group = own.decimal_char or ".", own.group_char or ""
        field = with_form(field, CellForm(decimal=decimal, group=group, decimals=column.decimals))
    is_number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)

    def code_of(value: str) -> Code:
        return float(value) if is_number else value

    labeled = [(one.value, one.label) for one in own.categories or ()]
    codes = {one: word for one, word in (question.codes or {}).items() if is_whole(one)}
    labeled += codes.items() if is_number else ()
    width = None
    if pa.types.is_string(field.type):
        width = max((len(one.encode()) for one in array.to_pylist() if one), default=1)
    declared = Declared(
        label=own.title,
        labels=[(code_of(value), word) for value, word in labeled if word],
        missing=[(float(one), float(one)) for one in codes] if is_number else [],
        scaled=column.kind == "ordinal",
        width=width,
    )
    return field if declared == Declared() else declared.on(field)


def _dialect(asked: Questionnaire) -> CsvDialect | None:
    delimiter = asked.description.dialect.delimiter
    has_commas = any(one.field.decimal_char == "," for one in asked.questions)
    if delimiter is None and not has_commas:
        return None
    return CsvDialect(
        delimiter=delimiter or (";" if has_commas else ","), decimal="," if has_commas else "."
    )


def draw(
    asked: Questionnaire, conditions: ConditionSet, rows: int, seed: int
) -> dict[str, list[Value]]:
    """Return the answers by column, an option of several answers as yes or no; None if skipped.

    Levels come equally often and numbers are uniform, each column alone, as far as neither
    conditions, rules nor skips say otherwise. Numbers are in their unit, moments in microseconds.

    Raises:
        DraftRefused: conditions name no column or level, or cannot be met in this number of rows
            or together with the rules.
    """
    schema = asked.schema
    own = [StatedRule(rule=in_schema(rule, schema)) for _, rule in kept_rules(asked.description)]
    ruled = schema.model_copy(update={"rules": own})
    if faults := [*condition_faults(conditions, schema)] or [
        *impossible(conditions, {}, ruled, rows)
    ]:
        raise DraftRefused(faults)
    wanted = expand_conditions(conditions, schema)
    skips = ConditionSet.model_construct(quotas=list(asked.asked_if.values()))
    cells = cells_of(expand_conditions(skips, schema), schema)
    asked_if = dict(zip(asked.asked_if, (cell.values for cell in cells), strict=True))
    steps = _steps(asked)
    domains: dict[str, Domain] = {}
    answers: dict[str, list[Value]] = {}
    for question in asked.questions:
        where = asked_if.get(question.column.name, {})
        for column in question.column.parts() if question.column.learned else ():
            step = steps[question.column.name]
            domain = domains[column.name] = domain_of(column, wanted, step, where)
            shares = wanted.categorical.get(column.name, {})
            rng = random.Random(f"{seed} {column.name}")
            answers[column.name] = domain.spread(rows, rng, shares)
    _choose_some(answers, asked, random.Random(f"{seed} options"))
    prefix = ("description", *asked.description.prefix)
    rules = [
        draft_rule((*prefix, *path), rule, schema, steps)
        for path, rule in kept_rules(asked.description)
        if rule.multiple is None and rule.unique is None  # the steps and the keys hold them
    ]
    targets: list[Cell | DraftRule] = [*cells_of(wanted, schema), *rules]
    search = Search(answers, domains, targets, rows, random.Random(seed))
    search.run()
    return {
        name: [value if search.is_asked(name, row) else None for row, value in enumerate(column)]
        for name, column in answers.items()
    }


def _steps(asked: Questionnaire) -> dict[str, float]:
    """Return the steps by column; where rules ask for multiples, those of all steps."""
    steps = {question.column.name: question.step for question in asked.questions}
    for rule in asked.description.extension.rules or ():
        if rule.multiple is not None:
            own, of = Fraction(str(steps[rule.multiple])), Fraction(str(rule.of))
            both = math.lcm(own.numerator * of.denominator, of.numerator * own.denominator)
            step = Fraction(both, own.denominator * of.denominator)
            steps[rule.multiple] = float(min(step, Fraction(10**18)))  # beyond all ranges
    return steps


def _choose_some(answers: dict[str, list[Value]], asked: Questionnaire, rng: random.Random) -> None:
    """Choose an option of several answers in the rows that have none: no answer is a skip."""
    for question in asked.questions:
        if question.column.kind == "multi":
            options = [answers[part.name] for part in question.column.parts()]
            for row, chosen in enumerate(zip(*options, strict=True)):
                if YES not in chosen:
                    rng.choice(options)[row] = YES

"""Random answers to a questionnaire, with shares of levels and cells met to the row."""

from __future__ import annotations

import math
import random
from fractions import Fraction

from simulacra_schema.conditions import ConditionSet
from simulacra_schema.description_parts import EXTENSION
from simulacra_schema.drafts.domain import Domain, DraftRefused, domain_of
from simulacra_schema.drafts.questions import Questionnaire, condition_faults
from simulacra_schema.drafts.rules import DraftRule, Value, draft_rule
from simulacra_schema.drafts.search import Search
from simulacra_schema.quota_checks import Cell, cells_of
from simulacra_schema.several_answers import expand_conditions
from simulacra_schema.table import YES


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
    if faults := [*condition_faults(conditions, schema)]:
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
    path = ("description", *asked.description.prefix, EXTENSION, "rules")
    rules = [
        draft_rule((*path, at), rule, schema, steps)
        for at, rule in enumerate(asked.description.extension.rules or ())
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

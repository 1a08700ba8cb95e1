"""Checks of the designs that an effect may state: an instrument, or parallel trends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from simulacra_schema.conditions import level_in, value_in, wrong_column
from simulacra_schema.faults import Fault, Wrong, no_level
from simulacra_schema.questions.rows import plain
from simulacra_schema.statements import split_outcome
from simulacra_schema.table import ColumnSchema, TableSchema

if TYPE_CHECKING:
    from simulacra_schema.questions.effect import EffectQuestion

_ALONE = Wrong(
    "groups, a population or negative controls with an instrument or parallel trends",
    "An instrument or parallel trends settle whom the effect is for; leave this out.",
)
_BOTH = Wrong(
    "an instrument and parallel trends",
    "State an instrument or parallel trends, not both; ask twice to compare.",
)
_TAKEN = Wrong(
    "an instrument or a wave that is the treatment or the outcome",
    "This is the treatment or the outcome. Name another column.",
)
INSTRUMENT_AFTER = Wrong(
    "an instrument that does not come before the treatment",
    "An instrument comes before the treatment, and you or the model say otherwise. Correct the"
    " order, or name another column.",
)
_NO_INSTRUMENT = Wrong(
    "an instrument without a number",
    "An instrument must be a number, a boolean, or a category with its level, as COLUMN=LEVEL.",
)
_TWO_LEVELS = Wrong(
    "an instrument for a treatment of several levels",
    "With an instrument the treatment must be a number or have two levels; name another column.",
)
_NO_ORDER = Wrong(
    "waves without an order",
    "Waves must be numbers or levels in order. State the role wave in the description of the table,"
    " or name another column.",
)
_NUMBER = Wrong(
    "a wave that is no number", "The waves are numbers; give the first one as a number."
)
_FIRST = Wrong(
    "no wave before the treatment",
    "No wave comes before this one, so nothing can be compared. Name the first wave in which the"
    " group had the treatment.",
)
_NONE_SINCE = Wrong(
    "no wave with the treatment", "The table ends before this wave. Name one that it has."
)


def design_faults(
    question: EffectQuestion[Any], outcome: str, schema: TableSchema
) -> Iterator[Fault]:
    """Yield what is wrong with an instrument, or with parallel trends; nothing without both.

    outcome: column of the outcome.
    """
    if question.instrument is None and not question.parallel_trends:
        return
    if question.instrument is not None and question.parallel_trends:
        yield _BOTH.at("instrument")
    for field, default in (("by", []), ("segment", None), ("negative_controls", [])):
        if getattr(question, field) != default:
            yield _ALONE.at(field)
    if question.population != "all":
        yield _ALONE.at("population")
    if question.instrument is not None:
        if wrong := _wrong_instrument(question, question.instrument, outcome, schema):
            yield wrong.at("instrument")
        treatment = schema.find(question.treatment)
        if treatment and not treatment.is_numeric and len(treatment.level_values()) > 2:
            yield _TWO_LEVELS.at("treatment")
    for name, since in question.parallel_trends.items():
        wrong = wrong_column(name, schema)
        if wrong is None and name in (question.treatment, outcome):
            wrong = _TAKEN
        if wrong or (wrong := _wrong_wave(plain(since), schema.column(name))):
            yield wrong.at("parallel_trends", name)


def _wrong_instrument(
    question: EffectQuestion[Any], text: str, outcome: str, schema: TableSchema
) -> Wrong | None:
    name, level = split_outcome(text, schema)
    if wrong := wrong_column(name, schema):
        return wrong
    column, treatment = schema.column(name), question.treatment
    if name in (treatment, outcome):
        return _TAKEN
    is_level = level is not None or column.kind == "boolean"
    if column.kind == "datetime" or is_level is column.is_numeric:
        return _NO_INSTRUMENT
    if level is not None and level_in(level, column.level_values()) is None:
        return no_level(level, column.level_values())
    place = {one: at for at, block in enumerate(question.blocks) for one in block}
    is_later = treatment in place and place.get(name, -1) > place[treatment]
    is_later |= name in (*question.after, *question.dont_know)
    return INSTRUMENT_AFTER if is_later else None


def _wrong_wave(since: Any, column: ColumnSchema) -> Wrong | None:
    """Return why a wave cannot be the first one with the treatment, None if it can."""
    if not column.is_numeric and column.kind != "ordinal" and column.role != "wave":
        return _NO_ORDER
    levels, wave = column.level_values(), value_in(since, column)
    if wave is None:
        return _NUMBER if column.is_numeric else no_level(str(since), levels)
    if isinstance(wave, str):
        return _FIRST if wave == levels[0] else None
    if column.minimum is not None and wave <= column.minimum:
        return _FIRST
    return _NONE_SINCE if column.maximum is not None and wave > column.maximum else None

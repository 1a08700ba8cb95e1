"""What may be compared of an earlier wave and the newest, and what must be confirmed first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from simulacra_intake.matching.levels import joined_levels
from simulacra_intake.matching.match import Match, match_questions
from simulacra_intake.matching.questions import Question
from simulacra_schema.table import EarlierQuestion

STATED = "the description states it"


class Compared(NamedTuple):
    """Pairs of questions that may be compared, and pairs to ask about.

    levels: by the name of each question of `pairs` now, the level now of each earlier one; empty
        for numbers.
    """

    pairs: list[Match]
    levels: dict[str, dict[str, str]]
    ask: list[Match]


def compare_questions(
    earlier: Sequence[Question],
    newest: Sequence[Question],
    stated: Mapping[str, EarlierQuestion | None],
) -> Compared:
    """Return which questions of an earlier wave's summary and the newest wave may be compared.

    Args:
        earlier: questions of the summary, tabulated with its background columns.
        newest: questions of the newest wave, tabulated with the same.
        stated: what the description says of questions, by their name now; None of one that is no
            earlier question.
    """
    now = {one.name: one for one in newest}
    then = {one.name: one for one in earlier}
    said = {name: of for name, of in stated.items() if name in now and (of is None or of.stated)}
    pairs = [
        Match(of.question, name, STATED)
        for name, of in said.items()
        if of is not None and of.question in then
    ]
    taken = {one.earlier for one in pairs}
    found = match_questions(
        [one for one in earlier if one.name not in taken],
        [one for name, one in now.items() if name not in said],
    )
    levels = {}
    for one in [*pairs, *found.same]:
        old, new = then[str(one.earlier)], now[str(one.newest)]
        of = said.get(new.name)
        levels[new.name] = joined_levels(new.levels, old.levels, of.levels if of else {}) or {}
    return Compared([*pairs, *found.same], levels, found.ask)
